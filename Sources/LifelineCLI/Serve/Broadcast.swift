import Lifeline
import LifelineLocks

/// Sends what arrives on one of its connections to all of them, the sender among them.
///
/// A connection that does not read is not waited for: with more than `BufferLimits.maximumOutbound` bytes waiting it is
/// ended.
final class Broadcast: Sendable {
    private let subscribers = Lock<[UInt64: WebSocket]>([:])

    /// Serves a connection until it ends.
    func serve(_ socket: WebSocket) async throws {
        subscribers.withLock { $0[socket.id] = socket }
        defer { subscribers.withLock { _ = $0.removeValue(forKey: socket.id) } }
        while try await socket.receive({ self.send($0) }) != nil {}
    }

    private func send(_ message: borrowing ReceivedMessage) {
        // Compressed once for all.
        let prepared = PreparedMessage(message.copy)
        for subscriber in subscribers.withLock({ Array($0.values) }) { subscriber.enqueue(prepared) }
    }
}
