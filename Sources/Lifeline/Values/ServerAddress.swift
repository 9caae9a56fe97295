#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// The address at which a server listens, or to which a client connects.
public struct ServerAddress: Hashable, Sendable, CustomStringConvertible {
    package enum Storage: Hashable, Sendable {
        case hostname(String, port: Int)
        case unixDomainSocket(String)
    }

    package let storage: Storage

    /// A host name or an IP address, and a port. A server that listens at port 0 gets a free one.
    public static func hostname(_ host: String, port: Int) -> ServerAddress {
        ServerAddress(storage: .hostname(host, port: port))
    }

    /// A Unix domain socket at a path.
    public static func unixDomainSocket(path: String) -> ServerAddress {
        ServerAddress(storage: .unixDomainSocket(path))
    }

    /// The host name or the IP address; `nil` for a Unix domain socket.
    public var host: String? {
        guard case .hostname(let host, _) = storage else { return nil }
        return host
    }

    /// The path of a Unix domain socket; `nil` for a host and a port.
    public var path: String? {
        guard case .unixDomainSocket(let path) = storage else { return nil }
        return path
    }

    /// The port; `nil` for a Unix domain socket.
    public var port: Int? {
        guard case .hostname(_, let port) = storage else { return nil }
        return port
    }

    /// The host or the path.
    package var hostOrPath: String {
        switch storage {
        case .hostname(let host, _): host
        case .unixDomainSocket(let path): path
        }
    }

    /// Checks that the system can understand the address.
    ///
    /// - Throws: ``WebSocketError`` with the code ``WebSocketError/Code/invalidConfiguration``.
    func check(ports: ClosedRange<Int>, setting: String) throws(WebSocketError) {
        let problem: String
        switch storage {
        case .hostname(let host, _) where host.isEmpty:
            problem = "the host name is empty"
        case .hostname(let host, _) where host.utf8.contains(0):
            problem = "the host name contains a NUL"
        case .hostname(_, let port) where !ports.contains(port):
            problem = "the port is \(port), and must be a number from \(ports.lowerBound) to \(ports.upperBound)"
        case .unixDomainSocket(let path) where path.isEmpty:
            problem = "the path of the Unix domain socket is empty"
        case .unixDomainSocket(let path) where path.utf8.contains(0):
            problem = "the path of the Unix domain socket contains a NUL"
        case .unixDomainSocket(let path) where path.utf8.count > ServerAddress.maximumPathLength:
            problem =
                "the path of the Unix domain socket has \(path.utf8.count) bytes, and the system allows "
                + "\(ServerAddress.maximumPathLength)"
        case .hostname, .unixDomainSocket:
            return
        }
        throw WebSocketError(.invalidConfiguration, "invalid address (\(setting)): \(problem)")
    }

    /// The most bytes of the path of a Unix domain socket, without the NUL that ends it.
    private static let maximumPathLength = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

    /// `host:port`, or the path.
    public var description: String {
        switch storage {
        case .hostname(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unixDomainSocket(let path): path
        }
    }
}
