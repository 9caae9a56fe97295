package import NIOCore

extension SocketAddress {
    /// The address and the port, as people write them.
    package var name: String {
        guard let address = ipAddress, let port else {
            // Who connects to such a socket mostly has no name of its own.
            return pathname.flatMap { $0.isEmpty ? nil : $0 } ?? "a Unix domain socket"
        }
        return address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    }
}
