internal import NIOCore
internal import NIOSSL

/// Certificates and keys in PEM form.
public struct PEM: Hashable, Sendable {
    enum Source: Hashable, Sendable {
        case file(String)
        case text(String)
    }

    let source: Source

    /// The file at a path.
    public static func file(_ path: String) -> PEM { PEM(source: .file(path)) }

    /// The text itself.
    public static func text(_ text: String) -> PEM { PEM(source: .text(text)) }

    func certificates() throws -> [NIOSSLCertificate] {
        switch source {
        case .file(let path): try NIOSSLCertificate.fromPEMFile(path)
        case .text(let text): try NIOSSLCertificate.fromPEMBytes(Array(text.utf8))
        }
    }

    func privateKey() throws -> NIOSSLPrivateKey {
        switch source {
        case .file(let path): try NIOSSLPrivateKey(file: path, format: .pem)
        case .text(let text): try NIOSSLPrivateKey(bytes: Array(text.utf8), format: .pem)
        }
    }

    /// What to call it in an error.
    var name: String {
        switch source {
        case .file(let path): path
        case .text: "the PEM text"
        }
    }
}

/// How a server proves who it is over TLS (`wss://`). TLS 1.2 and 1.3 are spoken.
public struct ServerTLS: Hashable, Sendable {
    /// The server's certificate, and those between it and a root, in this order.
    public var certificateChain: PEM
    /// The private key of the server's certificate.
    public var privateKey: PEM

    /// TLS with the given certificate and key.
    public init(certificateChain: PEM, privateKey: PEM) {
        self.certificateChain = certificateChain
        self.privateKey = privateKey
    }

    func makeContext() throws(WebSocketError) -> NIOSSLContext {
        let chain = try reading(certificateChain, "certificate") { try $0.certificates() }
        let key = try reading(privateKey, "private key") { try $0.privateKey() }
        do {
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
            configuration.minimumTLSVersion = minimumTLSVersion
            configuration.applicationProtocols = ["http/1.1"]
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw WebSocketError(
                .invalidConfiguration, "the certificate and the key cannot be used together", underlyingError: error)
        }
    }
}

/// Whom a client trusts over TLS (`wss://`). TLS 1.2 and 1.3 are spoken.
///
/// The server's certificate must come from a trusted root, be valid now, and name the URL's host: a name among its DNS names, an
/// address among its IP addresses ([RFC 9525](https://www.rfc-editor.org/rfc/rfc9525)). A common name does not count.
public struct ClientTLS: Hashable, Sendable {
    /// The roots to trust; `nil`, the default, trusts those of the system.
    public var trustedRoots: PEM?
    /// Whether the server's certificate and name are checked. Default: `true`. Without the check, whoever sits between
    /// can read and change everything; for tests only.
    public var verifiesServer: Bool

    /// TLS with the given trust.
    public init(trustedRoots: PEM? = nil, verifiesServer: Bool = true) {
        self.trustedRoots = trustedRoots
        self.verifiesServer = verifiesServer
    }

    func makeContext() throws(WebSocketError) -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = minimumTLSVersion
        configuration.applicationProtocols = ["http/1.1"]
        if let trustedRoots {
            configuration.trustRoots = .certificates(
                try reading(trustedRoots, "trusted roots") { try $0.certificates() })
        }
        // The TLS library checks the chain, up to a root. It would take a common name, or the address that was connected to, for the
        // name that was asked for (RFC 9525 does not): names are ServerCertificateCheck's.
        configuration.certificateVerification = verifiesServer ? .noHostnameVerification : .none
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw WebSocketError(.invalidConfiguration, "TLS cannot be set up", underlyingError: error)
        }
    }
}

/// TLS 1.0 and 1.1 must not be negotiated ([RFC 8996](https://www.rfc-editor.org/rfc/rfc8996)).
private let minimumTLSVersion = TLSVersion.tlsv12

/// Reads PEM and says which could not be read.
private func reading<Value>(_ pem: PEM, _ what: String, _ read: (PEM) throws -> Value) throws(WebSocketError) -> Value {
    do {
        return try read(pem)
    } catch {
        throw WebSocketError(
            .invalidConfiguration, "the \(what) cannot be read from \(pem.name)", underlyingError: error)
    }
}
