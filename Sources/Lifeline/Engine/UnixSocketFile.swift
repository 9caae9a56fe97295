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

/// The file of a Unix domain socket at which a server listens.
///
/// A socket's file outlives its server, and a path can be given to another server meanwhile: only what is known to be
/// nobody's any more, or one's own, is removed.
struct UnixSocketFile: Sendable {
    let path: String
    private let device: dev_t
    private let inode: ino_t

    /// The file that stands at a path now, where there is one.
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

    /// How many connections may wait to be accepted.
    private static let backlog: CInt = 4096

    /// A socket that listens at a path, where room is made before.
    static func listen(at path: String) throws -> CInt {
        let address = try SocketAddress(unixDomainSocketPath: path)
        try makeRoom(at: path)
        let descriptor = try socket()
        // What has been bound has a file, which would outlive a failure.
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

    /// Makes room at a path: removes the socket of a server that is gone. Anything but a socket stays, as does the socket
    /// of a server that listens.
    ///
    /// - Throws: `IOError` where somebody listens.
    static func makeRoom(at path: String) throws {
        guard let status = status(of: path), status.st_mode & S_IFMT == S_IFSOCK else { return }
        guard try !isInUse(path) else { throw IOError(errnoCode: EADDRINUSE, reason: "bind") }
        guard unlink(path) == 0 || errno == ENOENT else { throw IOError(errnoCode: errno, reason: "unlink") }
    }

    /// Whether somebody listens at a path.
    private static func isInUse(_ path: String) throws -> Bool {
        let address = try SocketAddress(unixDomainSocketPath: path)
        let descriptor = try socket()
        let result = address.withSockAddr { connect(descriptor, $0, socklen_t($1)) }
        let error = errno
        _ = close(descriptor)
        // Whoever refuses has gone. Whoever has no room for one more, or may not be asked, is there.
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

// Functions of the C library that share their names with those above.

private func systemListen(_ descriptor: CInt, _ backlog: CInt) -> CInt {
    listen(descriptor, backlog)
}

#if !os(Linux)
private func systemSocket(_ domain: CInt, _ type: CInt, _ protocolNumber: CInt) -> CInt {
    socket(domain, type, protocolNumber)
}
#endif
