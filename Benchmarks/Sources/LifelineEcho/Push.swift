import Lifeline
import Synchronization

/// Sends each message that one of its connections receives to all of them, whatever loops they are on.
final class Push: Sendable {
    private let subscribers = Mutex<[UInt64: WebSocket]>([:])

    /// Handles a connection until it ends.
    func serve(_ socket: WebSocket) async throws {
        self.subscribers.withLock { $0[socket.id] = socket }
        defer { self.subscribers.withLock { $0[socket.id] = nil } }
        while try await socket.receive({ self.push($0) }) != nil {}
    }

    private func push(_ message: borrowing ReceivedMessage) {
        for subscriber in self.subscribers.withLock({ $0 }).values { subscriber.enqueue(message) }
    }
}
