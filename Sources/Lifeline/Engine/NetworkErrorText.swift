import NIOCore
import NIOPosix

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Descriptions of network and TLS errors for users.
package enum NetworkErrorText {
    /// Describes an error.
    package static func describe(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError: describe(error)
        case let error as IOError: describe(errno: error.errnoCode) ?? "\(error)"
        case let error as SocketAddressError.UnknownHost: "the name \(error.host) is unknown"
        case ChannelError.connectTimeout(let time):
            "nobody answered within \(Duration.nanoseconds(time.nanoseconds)) (connectTimeout)"
        case _ where TLSErrorText.isTLS(error): TLSErrorText.describe(error)
        default: "\(error)"
        }
    }

    private static func describe(_ error: NIOConnectionError) -> String {
        var reasons: [String] = []
        // All addresses of a host are tried, and mostly they fail for the same reason.
        for reason in error.connectionErrors.map({ describe($0.error) }) where !reasons.contains(reason) {
            reasons.append(reason)
        }
        if reasons.isEmpty, error.dnsAError != nil || error.dnsAAAAError != nil {
            // An address with a zone is not looked up; the zone names an interface of this machine.
            if let percent = error.host.firstIndex(of: "%") {
                let zone = error.host[percent...].dropFirst()
                return "there is no network interface \(zone), which the address \(error.host) names"
            }
            return "the name \(error.host) is unknown"
        }
        return reasons.isEmpty ? "\(error)" : reasons.joined(separator: "; ")
    }

    private static func describe(errno: CInt) -> String? {
        switch errno {
        case ENOENT: "there is no such file or directory"
        case ENOTDIR: "a part of the path is not a directory"
        case ENOTSOCK, EPROTOTYPE: "the file with this path is not a stream socket"
        case EAGAIN: "too many connections wait there to be accepted"
        case ECONNREFUSED: "nobody listens there (connection refused)"
        case ECONNRESET: "the peer reset the connection"
        case EPIPE: "the peer no longer takes bytes"
        case ETIMEDOUT: "the network timed out"
        case EHOSTUNREACH: "the host cannot be reached"
        case ENETUNREACH: "the network cannot be reached"
        case EADDRINUSE: "the address is in use"
        case EADDRNOTAVAIL: "the address does not belong to this machine"
        case EMFILE: "the process has reached its limit of open files (ulimit -n)"
        case ENFILE: "the system has reached its limit of open files"
        case EACCES, EPERM: "the system does not permit it"
        case ENOMEM, ENOBUFS: "the system has no memory left"
        case ENOSPC: "the limit of watched sockets has been reached (fs.epoll.max_user_watches)"
        default: nil
        }
    }
}
