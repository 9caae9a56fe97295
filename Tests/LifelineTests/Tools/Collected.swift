import Lifeline
import LifelineLocks

/// Values that tasks and handlers leave for their test.
final class Collected<Value: Sendable>: Sendable {
    private let storage = Lock<[Value]>([])

    func append(_ value: Value) {
        storage.withLock { $0.append(value) }
    }

    var values: [Value] { storage.withLock { $0 } }

    var count: Int { storage.withLock { $0.count } }

    var isEmpty: Bool { count == 0 }
}

/// Keeps the events of connections.
final class EventRecorder: LifecycleObserver {
    private let collected = Collected<LifecycleEvent>()

    func observe(_ event: LifecycleEvent) {
        collected.append(event)
    }

    var events: [LifecycleEvent] { collected.values }

    /// The events in short words.
    var words: [String] { events.map(\.kind.word) }
}

extension LifecycleEvent.Kind {
    /// The event in short words: frames with an arrow, their opcode and how their payload begins.
    var word: String {
        switch self {
        case .connected: "connected"
        case .requestSent: "request sent"
        case .requestReceived: "request received"
        case .responseSent(let response): "\(response.status.code) sent"
        case .responseReceived(let response): "\(response.status.code) received"
        case .frameSent(let header, let preview): "→ \(header.opcode) \(String(decoding: preview, as: UTF8.self))"
        case .frameReceived(let header, let preview): "← \(header.opcode) \(String(decoding: preview, as: UTF8.self))"
        case .connecting: "connecting"
        case .resolved: "resolved"
        case .connectFailed: "connect failed"
        case .secured: "secured"
        case .messageSent: "message sent"
        case .messageReceived: "message received"
        case .writingPaused: "writing paused"
        case .writingResumed: "writing resumed"
        case .transportFailed: "transport failed"
        case .roundTrip: "round trip"
        case .readingPaused: "reading paused"
        case .readingResumed: "reading resumed"
        case .compressed: "compressed"
        case .ended(let outcome): outcome.isClean ? "ended cleanly" : "ended: \(outcome)"
        case .outputEnded: "output ended"
        case .inputEnded: "input ended"
        case .tcpEnded: "TCP ended"
        }
    }
}
