#if os(Linux)
#if canImport(Musl)
import Musl
#else
import Glibc
#endif

/// A listening socket, and what to do with the connections that it accepts.
final class LinuxListener: Sendable {
    let descriptor: CInt
    let accepted: @Sendable (CInt) -> Void
    /// Called with the error when a connection could not be accepted. The listener then pauses for ``pause``.
    let failed: @Sendable (CInt) -> Void

    /// How long to wait before accepting again when the process, or the system, has run out of a resource.
    static let pause = Duration.milliseconds(100)

    init(
        _ descriptor: CInt, accepted: @escaping @Sendable (CInt) -> Void, failed: @escaping @Sendable (CInt) -> Void
    ) {
        self.descriptor = descriptor
        self.accepted = accepted
        self.failed = failed
    }

    /// Whether an error concerns one connection, which ended before it was accepted, rather than the listener.
    static func isTransient(_ error: CInt) -> Bool {
        [EINTR, ECONNABORTED, EPROTO, ENETDOWN, EHOSTDOWN, EHOSTUNREACH, ENETUNREACH, EPERM].contains(error)
    }
}
#endif
