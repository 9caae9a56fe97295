#if os(Linux)
import NIOCore

/// One wait for a socket to become writable.
///
/// `@unchecked Sendable`: it is confined to its loop.
final class LinuxWaiter: @unchecked Sendable {
    enum Outcome {
        case ready
        case timedOut
        /// The kernel refused to watch the socket.
        case failed(IOError)
    }

    let descriptor: CInt
    private var body: ((Outcome) -> Void)?

    init(_ descriptor: CInt, _ body: @escaping (Outcome) -> Void) {
        self.descriptor = descriptor
        self.body = body
    }

    var isDone: Bool { body == nil }

    /// Calls the waiter's function with the outcome, once.
    func finish(_ outcome: Outcome) {
        body.take()?(outcome)
    }
}
#endif
