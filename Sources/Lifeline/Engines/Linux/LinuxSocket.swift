#if os(Linux)
import CLifelineLinux
import NIOCore

#if canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Socket calls outside of the hot path.
enum LinuxSocket {
    /// The most connections that may wait to be accepted.
    private static let backlog: CInt = 4096

    /// Makes a socket that listens.
    static func listening(at address: SocketAddress) throws -> CInt {
        try make(for: address) { descriptor in
            guard set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1) else {
                throw IOError(errnoCode: errno, reason: "setsockopt")
            }
            let bound = address.withSockAddr { bind(descriptor, $0, socklen_t($1)) }
            guard bound == 0 else { throw IOError(errnoCode: errno, reason: "bind") }
            guard listen(descriptor, backlog) == 0 else { throw IOError(errnoCode: errno, reason: "listen") }
        }
    }

    /// Makes a socket that is connecting or has connected.
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

    /// How long reading goes on after a send has failed.
    static let readingAfterFailedSend = Duration.seconds(1)

    /// Takes the pending error of a socket, if there is one.
    ///
    /// - Parameter reason: The call to which the error is attributed.
    static func takeError(_ descriptor: CInt, _ reason: String) -> IOError? {
        var error: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0 else {
            return IOError(errnoCode: errno, reason: "getsockopt")
        }
        return error == 0 ? nil : IOError(errnoCode: error, reason: reason)
    }

    /// Has small writes sent at once (`TCP_NODELAY`). Failure is ignored: Unix domain sockets refuse it, and have no such delay.
    static func disableDelay(_ descriptor: CInt) {
        _ = set(descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, 1)
    }

    /// Makes a socket blocking, because io_uring does not wait for one that is not.
    static func setBlocking(_ descriptor: CInt) throws {
        guard lifeline_set_blocking(descriptor) == 0 else { throw IOError(errnoCode: errno, reason: "fcntl") }
    }

    private static func set(_ descriptor: CInt, _ level: CInt, _ option: CInt, _ value: CInt) -> Bool {
        var value = value
        return setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<CInt>.size)) == 0
    }

    /// The port to which the kernel has bound a listening socket; 0 for a Unix domain socket.
    static func localPort(_ descriptor: CInt) throws -> Int {
        guard let found = address({ getsockname(descriptor, $0, $1) }) else {
            throw IOError(errnoCode: errno, reason: "getsockname")
        }
        return found?.port ?? 0
    }

    /// The address and port of the peer.
    static func peerName(_ descriptor: CInt) -> String {
        // Fails if the peer has already reset the connection.
        guard let found = address({ getpeername(descriptor, $0, $1) }) else { return "unknown" }
        return found?.name ?? "unix:"
    }

    /// - Returns: `nil` if the call fails; `.some(nil)` if the address is neither IPv4 nor IPv6.
    private static func address(
        _ read: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt
    ) -> SocketAddress?? {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutableBytes(of: &storage) { bytes in
            let base = bytes.baseAddress.unsafelyUnwrapped
            guard read(base.assumingMemoryBound(to: sockaddr.self), &size) == 0 else { return nil }
            switch CInt(base.assumingMemoryBound(to: sockaddr.self).pointee.sa_family) {
            case AF_INET: return .some(SocketAddress(base.assumingMemoryBound(to: sockaddr_in.self).pointee))
            case AF_INET6: return .some(SocketAddress(base.assumingMemoryBound(to: sockaddr_in6.self).pointee))
            default: return .some(nil)
            }
        }
    }
}
#endif
