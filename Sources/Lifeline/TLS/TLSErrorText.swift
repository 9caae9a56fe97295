#if TLS
import NIOSSL

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Descriptions of TLS errors for users.
package enum TLSErrorText {
    /// Whether an error comes from TLS rather than from TCP.
    static func isTLS(_ error: any Error) -> Bool {
        error is NIOSSLError || error is BoringSSLError || error is NIOSSLExtraError || error is CertificateRefusal
    }

    /// Whether TLS has failed because the peer's certificate was refused.
    static func isVerificationFailure(_ error: any Error) -> Bool {
        isTLS(error) && "\(error)".contains("CERTIFICATE_VERIFY_FAILED")
    }

    /// Whether the peer has ended TCP without ending TLS first (`close_notify`).
    package static func isUncleanShutdown(_ error: any Error) -> Bool {
        error as? NIOSSLError == .uncleanShutdown
    }

    /// Describes a TLS error.
    static func describe(_ error: any Error) -> String {
        if let refusal = error as? CertificateRefusal { return refusal.description }
        if isUncleanShutdown(error) { return "the peer ended its side of TCP without a TLS close_notify" }
        // BoringSSL's errors are identified by names in their text only.
        let text = "\(error)"
        if text.contains("CERTIFICATE_VERIFY_FAILED") { return "the certificate is not trusted, or is not valid now" }
        if text.contains("ALERT_UNKNOWN_CA") { return "the peer does not trust the certificate" }
        if text.contains("WRONG_VERSION_NUMBER") || text.contains("EOF during handshake") {
            return
                "the peer does not appear to speak TLS on this port; use ws:// instead of wss:// if the server has no TLS"
        }
        if ["PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL"].contains(where: text.contains) {
            return
                "the peer supports neither TLS 1.2 nor TLS 1.3; older versions are not allowed (RFC 8996)"
        }
        if text.contains("HTTP_REQUEST") { return "the peer does not use TLS, which this port requires" }
        return reasonName(in: text) ?? text
    }

    // MARK: Certificates

    /// Describes why a certificate was refused, as far as the certificate itself shows it.
    ///
    /// BoringSSL verifies the whole chain, but SwiftNIO passes on only the server's own certificate: neither the chain nor the
    /// reason. So the description is exact about that certificate, and names the issuer if the fault must be in the chain.
    static func describe(refused certificate: NIOSSLCertificate) -> String {
        var now = time_t()
        time(&now)
        let (subject, issuer) = (name(certificate.subjectName), name(certificate.issuerName))
        let start = "the certificate of \(subject) is "
        if certificate.notValidAfter < now {
            return start + "not valid now: it expired at \(text(certificate.notValidAfter))"
        }
        if certificate.notValidBefore > now {
            return start + "not valid now: it becomes valid at \(text(certificate.notValidBefore))"
        }
        if certificate.issuerName == certificate.subjectName {
            return start + "not trusted: it is self-signed, and not one of the trusted roots (trustedRoots)"
        }
        if !isForServers(certificate) {
            return start + "not trusted: it may not be used by a server (extended key usage, RFC 5280 §4.2.1.12)"
        }
        return start
            + "not trusted: it was issued by \(issuer), and no chain of valid certificates leads from there to a "
            + "trusted root (trustedRoots): the root is unknown, or an intermediate certificate is missing or not valid now"
    }

    /// Whether the extended key usage of a certificate, if there is one, permits use by a server.
    private static func isForServers(_ certificate: NIOSSLCertificate) -> Bool {
        // The identifiers of serverAuth and anyExtendedKeyUsage, in DER.
        let identifiers: [[UInt8]] = [[0x06, 0x08, 0x2B, 6, 1, 5, 5, 7, 3, 1], [0x06, 0x04, 0x55, 0x1D, 0x25, 0]]
        guard let usage = NIOSSLObjectIdentifier("2.5.29.37") else { return true }
        let uses = certificate._extensions.first { $0.objectIdentifier == usage }.map { Array($0.data) }
        guard let uses else { return true }
        return uses.indices.contains { start in identifiers.contains { uses[start...].starts(with: $0) } }
    }

    /// The common name of a distinguished name, or its last part if there is none, in quotation marks.
    private static func name(_ parts: [SSLCertificateName]) -> String {
        let part = parts.last { $0.type == .commonName } ?? parts.last
        return part.map { "\"\(CertificateNames.shown(Array($0.value.utf8)))\"" } ?? "an unnamed issuer"
    }

    /// Formats a time in UTC as in RFC 3339.
    private static func text(_ time: time_t) -> String {
        var (time, parts) = (time, tm())
        gmtime_r(&time, &parts)
        func digits(_ number: CInt) -> String { (number < 10 ? "0" : "") + "\(number)" }
        let date = [parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday].map(digits).joined(separator: "-")
        return date + "T" + [parts.tm_hour, parts.tm_min, parts.tm_sec].map(digits).joined(separator: ":") + "Z"
    }

    /// BoringSSL's name for the error, without the position in its source.
    private static func reasonName(in text: String) -> String? {
        let marker = "OPENSSL_internal:"
        guard let start = text.indices.first(where: { text[$0...].hasPrefix(marker) }) else { return nil }
        let name = text[start...].dropFirst(marker.count).prefix { $0.isUppercase || $0.isNumber || $0 == "_" }
        return name.isEmpty ? nil : "TLS: " + name.lowercased().split(separator: "_").joined(separator: " ")
    }
}
#else
/// Descriptions of TLS errors. This build has no TLS, so there are none.
package enum TLSErrorText {
    static func isTLS(_ error: any Error) -> Bool { false }
    package static func isUncleanShutdown(_ error: any Error) -> Bool { false }
    static func describe(_ error: any Error) -> String { "\(error)" }
}
#endif
