package import NIOCore

extension SocketAddress {
    /// The address and the port, such as `192.0.2.1:80` or `[2001:db8::1]:80`.
    package var name: String {
        guard let address = ipAddress, let port else {
            // The client's end of a Unix domain socket mostly has no path.
            return "unix:\(pathname ?? "")"
        }
        return address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    }
}
