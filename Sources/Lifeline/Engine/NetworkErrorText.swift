import NIOCore
import NIOPosix

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// The network's and TLS's errors in words for people rather than for debuggers.
package enum NetworkErrorText {
    /// What an error means.
    package static func describe(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError: describe(error)
        case let error as IOError: describe(errno: error.errnoCode) ?? "\(error)"
        case ChannelError.connectTimeout(let time):
            "nobody answered within \(Duration.nanoseconds(time.nanoseconds)) (connectTimeout)"
        case _ where TLSErrorText.isTLS(error): TLSErrorText.describe(error)
        default: "\(error)"
        }
    }

    private static func describe(_ error: NIOConnectionError) -> String {
        var reasons: [String] = []
        // A host may have several addresses, all of which are tried; mostly they fail in the same way.
        for reason in error.connectionErrors.map({ describe($0.error) }) where !reasons.contains(reason) {
            reasons.append(reason)
        }
        if reasons.isEmpty, error.dnsAError != nil || error.dnsAAAAError != nil {
            // An address has no name to be looked up, but may have an interface of this machine's.
            if let percent = error.host.firstIndex(of: "%") {
                let zone = error.host[percent...].dropFirst()
                return "there is no interface \(zone) at which \(error.host[..<percent]) could be"
            }
            return "the name \(error.host) is unknown"
        }
        return reasons.isEmpty ? "\(error)" : reasons.joined(separator: "; ")
    }

    private static func describe(errno: CInt) -> String? {
        switch errno {
        case ECONNREFUSED: "nobody listens there (connection refused)"
        case ECONNRESET: "the peer reset the connection"
        case EPIPE: "the peer no longer takes bytes"
        case ETIMEDOUT: "the network timed out"
        case EHOSTUNREACH: "the host cannot be reached"
        case ENETUNREACH: "the network cannot be reached"
        case EADDRINUSE: "the address is in use"
        case EADDRNOTAVAIL: "the address is none of this machine's"
        case EMFILE: "the process has as many open files as it may (ulimit -n)"
        case ENFILE: "the system has as many open files as it may"
        case EACCES, EPERM: "the system does not allow it"
        case ENOMEM, ENOBUFS: "the system has no memory left for it"
        case ENOSPC: "the kernel watches as many sockets as it may (fs.epoll.max_user_watches)"
        default: nil
        }
    }
}
