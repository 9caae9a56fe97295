import LifelineCore
import NIOCore

/// Sends that wait: for the transport to take more, or for a fragmented message to end.
struct Outbox {
    /// What a waiting send gets.
    typealias Completion = UnsafeContinuation<Result<Void, WebSocketError>, Never>

    /// A frame, or a mere wait for room, and who waits for it.
    struct Item {
        var wait: Wait
        var frame: OutboundFrame?
        var completion: Completion
    }

    /// Whole messages and first fragments.
    private var messages: [Item] = []
    /// The next fragment of the message that is being sent; these overtake the others, which must wait for its end.
    private var continuations: [Item] = []

    var isEmpty: Bool { messages.isEmpty && continuations.isEmpty }

    /// Whether a new frame must wait for those before it.
    func mustWait(_ frame: OutboundFrame?) -> Bool {
        frame?.isContinuation == true ? !continuations.isEmpty : !messages.isEmpty
    }

    mutating func append(_ item: Item) {
        if item.frame?.isContinuation == true {
            continuations.append(item)
        } else {
            messages.append(item)
        }
    }

    /// The next item that may be sent.
    mutating func popFirst(insideMessage: Bool) -> Item? {
        if insideMessage { return continuations.isEmpty ? nil : continuations.removeFirst() }
        return messages.isEmpty ? nil : messages.removeFirst()
    }

    /// Takes an item back whose task was cancelled.
    mutating func remove(_ wait: Wait) -> Item? {
        if let index = messages.firstIndex(where: { $0.wait == wait }) { return messages.remove(at: index) }
        if let index = continuations.firstIndex(where: { $0.wait == wait }) { return continuations.remove(at: index) }
        return nil
    }

    /// Takes all items back.
    mutating func removeAll() -> [Item] {
        defer { self = Outbox() }
        return continuations + messages
    }
}

/// A data frame that owns its payload.
struct OutboundFrame: Sendable {
    var kind: MessageKind
    var position: FragmentPosition
    var payload: ByteBuffer

    /// Whether the frame continues a message.
    var isContinuation: Bool { position == .middle || position == .last }
}
