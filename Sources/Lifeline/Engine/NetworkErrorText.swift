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
        case let error as SocketAddressError.UnknownHost: "the host name \(error.host) cannot be resolved"
        case ChannelError.connectTimeout(let time):
            "no answer within \(Duration.nanoseconds(time.nanoseconds)) (connectTimeout)"
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
                return "the address \(error.host) names the network interface \(zone), which does not exist"
            }
            return "the host name \(error.host) cannot be resolved"
        }
        return reasons.isEmpty ? "\(error)" : reasons.joined(separator: "; ")
    }

    private static func describe(errno: CInt) -> String? {
        switch errno {
        case ENOENT: "no such file or directory"
        case ENOTDIR: "a component of the path is not a directory"
        case ENOTSOCK, EPROTOTYPE: "the file at this path is not a stream socket"
        case EAGAIN: "the server's accept queue is full"
        case ECONNREFUSED: "connection refused: nothing is listening there"
        case ECONNRESET: "the peer reset the connection"
        case EPIPE: "the peer has closed the connection (broken pipe)"
        case ETIMEDOUT: "the connection timed out"
        case EHOSTUNREACH: "the host is unreachable"
        case ENETUNREACH: "the network is unreachable"
        case EADDRINUSE: "the address is in use"
        case EADDRNOTAVAIL: "the address does not belong to this machine"
        case EMFILE: "the process has reached its limit of open files (ulimit -n)"
        case ENFILE: "the system has reached its limit of open files"
        case EACCES, EPERM: "permission denied"
        case ENOMEM, ENOBUFS: "the system is out of memory"
        case ENOSPC: "the limit of watched sockets has been reached (fs.epoll.max_user_watches)"
        default: nil
        }
    }
}
