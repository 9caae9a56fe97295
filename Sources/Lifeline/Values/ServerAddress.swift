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

    /// `host:port`, or the path.
    public var description: String {
        switch storage {
        case .hostname(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unixDomainSocket(let path): path
        }
    }
}
