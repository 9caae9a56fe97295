#if os(Linux)
import CLifelineLinux
import NIOCore

#if canImport(Musl)
import Musl
#else
import Glibc
#endif

/// What is done to a socket outside of the hot path.
enum LinuxSocket {
    /// How many connections may wait to be accepted.
    private static let backlog: CInt = 4096

    static func listening(at address: SocketAddress) throws -> CInt {
        try make(for: address) { descriptor in
            set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
            let bound = address.withSockAddr { bind(descriptor, $0, socklen_t($1)) }
            guard bound == 0 else { throw IOError(errnoCode: errno, reason: "bind") }
            guard listen(descriptor, backlog) == 0 else { throw IOError(errnoCode: errno, reason: "listen") }
        }
    }

    /// A socket that is connecting, or has connected.
    static func connecting(to address: SocketAddress) throws -> CInt {
        try make(for: address) { descriptor in
            let result = address.withSockAddr { connect(descriptor, $0, socklen_t($1)) }
            guard result == 0 || errno == EINPROGRESS else { throw IOError(errnoCode: errno, reason: "connect") }
        }
    }

    private static func make(for address: SocketAddress, _ prepare: (CInt) throws -> Void) throws -> CInt {
        let family =
            switch address {
            case .v4: AF_INET
            case .v6: AF_INET6
            case .unixDomainSocket: AF_UNIX
            }
        let descriptor = lifeline_socket(family)
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
        do {
            try prepare(descriptor)
            return descriptor
        } catch {
            _ = closeDescriptor(descriptor)
            throw error
        }
    }

    /// The error that a socket has met, if any.
    static func takeError(_ descriptor: CInt) -> IOError? {
        var error: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0 else {
            return IOError(errnoCode: errno, reason: "getsockopt")
        }
        return error == 0 ? nil : IOError(errnoCode: error, reason: "connect")
    }

    /// Has small writes leave at once. Unix domain sockets have no such delay.
    static func disableDelay(_ descriptor: CInt) {
        set(descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, 1)
    }

    private static func set(_ descriptor: CInt, _ level: CInt, _ option: CInt, _ value: CInt) {
        var value = value
        _ = setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<CInt>.size))
    }

    static func localPort(_ descriptor: CInt) -> Int? {
        address { getsockname(descriptor, $0, $1) }?.port
    }

    static func peerName(_ descriptor: CInt) -> String {
        address { getpeername(descriptor, $0, $1) }?.name ?? "a Unix domain socket"
    }

    private static func address(
        _ read: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt
    ) -> SocketAddress? {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutableBytes(of: &storage) { bytes in
            let base = bytes.baseAddress.unsafelyUnwrapped
            guard read(base.assumingMemoryBound(to: sockaddr.self), &size) == 0 else { return nil }
            switch CInt(base.assumingMemoryBound(to: sockaddr.self).pointee.sa_family) {
            case AF_INET: return SocketAddress(base.assumingMemoryBound(to: sockaddr_in.self).pointee)
            case AF_INET6: return SocketAddress(base.assumingMemoryBound(to: sockaddr_in6.self).pointee)
            default: return nil
            }
        }
    }

    /// Removes what an earlier server has left at a path; anything but a socket stays.
    static func removeSocket(at path: String) {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return }
        unlink(path)
    }
}
#endif
