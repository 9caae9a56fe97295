import NIOCore
import NIOPosix
import NIOSSL

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Why no connection came about, in words for people rather than for debuggers.
extension WebSocketError {
    /// No TCP connection came about.
    static func connectFailed(_ authority: String, _ error: any Error) -> WebSocketError {
        WebSocketError(.connectFailed, "no connection to \(authority): \(reason(error))", underlyingError: error)
    }

    /// TCP was there, and TLS failed.
    static func tlsFailed(_ authority: String, _ error: any Error) -> WebSocketError {
        WebSocketError(.tlsFailed, "no TLS with \(authority): \(tlsReason(error))", underlyingError: error)
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            var reasons: [String] = []
            // A host may have several addresses, all of which are tried; mostly they fail in the same way.
            for reason in error.connectionErrors.map({ reason($0.error) }) where !reasons.contains(reason) {
                reasons.append(reason)
            }
            if reasons.isEmpty, error.dnsAError != nil || error.dnsAAAAError != nil {
                return "the name \(error.host) is unknown"
            }
            return reasons.isEmpty ? "\(error)" : reasons.joined(separator: "; ")
        case let error as IOError: return reason(errno: error.errnoCode) ?? "\(error)"
        case ChannelError.connectTimeout(let time):
            return "nobody answered within \(Duration.nanoseconds(time.nanoseconds)) (connectTimeout)"
        default: return "\(error)"
        }
    }

    private static func reason(errno: CInt) -> String? {
        switch errno {
        case ECONNREFUSED: "nobody listens there (connection refused)"
        case ECONNRESET: "the peer reset the connection"
        case EHOSTUNREACH: "the host cannot be reached"
        case ENETUNREACH: "the network cannot be reached"
        case ETIMEDOUT: "nobody answered (the network timed out)"
        case EADDRNOTAVAIL: "the address cannot be used from here"
        case EACCES, EPERM: "this system does not allow it"
        default: nil
        }
    }

    private static func tlsReason(_ error: any Error) -> String {
        let text = "\(error)"
        // BoringSSL has names for its errors and no types.
        if text.contains("CERTIFICATE_VERIFY_FAILED") {
            return "the server's certificate is not trusted, is not valid now, or is not for this name"
        }
        if text.contains("WRONG_VERSION_NUMBER") {
            return "the server does not speak TLS at this port; is it ws:// rather than wss://?"
        }
        if error as? NIOSSLExtraError == .failedToValidateHostname {
            return "the server's certificate is for another name"
        }
        return text
    }
}
