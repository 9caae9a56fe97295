package import NIOCore

extension SocketAddress {
    /// The address and the port, such as `192.0.2.1:80` or `[2001:db8::1]:80`.
    package var name: String {
        guard let address = ipAddress, let port else {
            // A client's Unix domain socket usually has no path.
            return "unix:\(pathname ?? "")"
        }
        return address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    }
}
