import Lifeline
import LifelineLocks

/// Sends each message of one of its connections to all of them, including the sender.
///
/// It does not wait for slow connections: one with more than `BufferLimits.maximumOutbound` bytes waiting is aborted.
final class Broadcast: Sendable {
    private let subscribers = Lock<[UInt64: WebSocket]>([:])

    /// Serves a connection until it ends.
    func serve(_ socket: WebSocket) async throws {
        subscribers.withLock { $0[socket.id] = socket }
        defer { subscribers.withLock { _ = $0.removeValue(forKey: socket.id) } }
        while try await socket.receive({ self.send($0) }) != nil {}
    }

    private func send(_ message: borrowing ReceivedMessage) {
        // Compressed once for all connections.
        let prepared = PreparedMessage(message.copy)
        for subscriber in subscribers.withLock({ Array($0.values) }) { subscriber.enqueue(prepared) }
    }
}
