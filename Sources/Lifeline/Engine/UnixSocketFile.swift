import NIOCore

#if os(Linux)
import CLifelineLinux
#endif

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// The file of a Unix domain socket on which a server listens.
///
/// The file outlives its server, and another server may use the path meanwhile. So a file is removed only if it is this
/// server's own, or if no server listens on it any more.
struct UnixSocketFile: Sendable {
    let path: String
    private let device: dev_t
    private let inode: ino_t

    /// Identifies the file that is at a path now. Returns `nil` if there is none.
    init?(at path: String) {
        guard let status = UnixSocketFile.status(of: path) else { return nil }
        self.path = path
        device = status.st_dev
        inode = status.st_ino
    }

    private static func status(of path: String) -> stat? {
        var status = stat()
        return lstat(path, &status) == 0 ? status : nil
    }

    /// The most connections that may wait to be accepted.
    private static let backlog: CInt = 4096

    /// Makes a socket that listens at a path, and first removes the file of a server that is gone.
    static func listen(at path: String) throws -> CInt {
        let address = try SocketAddress(unixDomainSocketPath: path)
        try makeRoom(at: path)
        let descriptor = try socket()
        // Once bound, the socket has a file, which must be removed after a failure.
        var file: UnixSocketFile?
        do {
            let bound = address.withSockAddr { bind(descriptor, $0, socklen_t($1)) }
            guard bound == 0 else { throw IOError(errnoCode: errno, reason: "bind") }
            file = UnixSocketFile(at: path)
            guard systemListen(descriptor, backlog) == 0 else { throw IOError(errnoCode: errno, reason: "listen") }
            return descriptor
        } catch {
            _ = close(descriptor)
            file?.remove()
            throw error
        }
    }

    private static func socket() throws -> CInt {
        #if os(Linux)
        let descriptor = lifeline_socket(AF_UNIX)
        #else
        let descriptor = systemSocket(AF_UNIX, SOCK_STREAM, 0)
        #endif
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
        #if !os(Linux)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        #endif
        return descriptor
    }

    /// Removes the socket of a server that is gone from a path. Files that are not sockets stay, and so do sockets on which a
    /// server listens.
    ///
    /// - Throws: `IOError` if a server listens.
    static func makeRoom(at path: String) throws {
        guard let status = status(of: path), status.st_mode & S_IFMT == S_IFSOCK else { return }
        guard try !isInUse(path) else { throw IOError(errnoCode: EADDRINUSE, reason: "bind") }
        guard unlink(path) == 0 || errno == ENOENT else { throw IOError(errnoCode: errno, reason: "unlink") }
    }

    /// Whether a server listens at a path.
    private static func isInUse(_ path: String) throws -> Bool {
        let address = try SocketAddress(unixDomainSocketPath: path)
        let descriptor = try socket()
        let result = address.withSockAddr { connect(descriptor, $0, socklen_t($1)) }
        let error = errno
        _ = close(descriptor)
        // Only a refusal shows that the server is gone. Any other error, such as a full backlog, shows that it is there.
        return result == 0 || error != ECONNREFUSED && error != ENOENT
    }

    /// Removes the file, unless another one has taken its place.
    func remove() {
        guard let status = UnixSocketFile.status(of: path), status.st_dev == device, status.st_ino == inode else {
            return
        }
        _ = unlink(path)
    }
}

// Functions of the C library whose names collide with methods above.

private func systemListen(_ descriptor: CInt, _ backlog: CInt) -> CInt {
    listen(descriptor, backlog)
}

#if !os(Linux)
private func systemSocket(_ domain: CInt, _ type: CInt, _ protocolNumber: CInt) -> CInt {
    socket(domain, type, protocolNumber)
}
#endif
