import Foundation

/// The open sockets of this process.
enum Descriptors {
    /// The inode numbers of the open TCP sockets with this local or remote port, including sockets that were reset.
    ///
    /// Compare sets, not counts: a new listener may get a port at which connections of an earlier listener are still open, and
    /// they end during the test.
    static func sockets(port: Int) -> Set<UInt64> {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        return Set(
            names.compactMap { name in
                guard let descriptor = CInt(name) else { return nil }
                let isOfPort =
                    Self.port(of: descriptor, getsockname) == port || Self.port(of: descriptor, getpeername) == port
                var status = stat()
                return isOfPort && fstat(descriptor, &status) == 0 ? UInt64(status.st_ino) : nil
            })
    }

    private static func port(
        of descriptor: CInt,
        _ call: (CInt, UnsafeMutablePointer<sockaddr>?, UnsafeMutablePointer<socklen_t>?) -> CInt
    ) -> Int? {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { call(descriptor, $0, &length) }
        }
        return status == 0 && address.sin_family == AF_INET ? Int(UInt16(bigEndian: address.sin_port)) : nil
    }
}
