import LifelineCore
import NIOCore

/// Sends that wait: for the transport to take more, or for a fragmented message to end.
struct Outbox {
    /// What a waiting send gets.
    typealias Completion = UnsafeContinuation<Result<Void, WebSocketError>, Never>

    /// A frame, or a mere wait for room, and who waits for it.
    struct Item {
        var frame: OutboundFrame?
        /// `nil` where the sender does not wait.
        var waiter: Waiter?

        /// What the item counts among those for which nobody waits.
        var unawaitedSize: Int { waiter == nil ? (frame?.payload.readableBytes ?? 0) + Outbox.overhead : 0 }
    }

    /// A task that waits for its frame to be sent.
    struct Waiter {
        var wait: Wait
        var completion: Completion
    }

    /// What an item counts beside its bytes.
    static let overhead = 128

    /// Whole messages and first fragments, from `head` on.
    private var messages: [Item] = []
    private var head = 0
    /// The next fragment of the message that is being sent; these overtake the others, which must wait for its end.
    private var continuations: [Item] = []
    /// The bytes, and an overhead for each frame, for which nobody waits.
    private(set) var unawaitedSize = 0

    /// The bytes of all payloads.
    var payloadSize: Int {
        (messages[head...] + continuations).reduce(0) { $0 + ($1.frame?.payload.readableBytes ?? 0) }
    }

    var isEmpty: Bool { head == messages.count && continuations.isEmpty }

    mutating func append(_ item: Item) {
        unawaitedSize += item.unawaitedSize
        if item.frame?.isContinuation == true {
            continuations.append(item)
        } else {
            messages.append(item)
        }
    }

    /// The next item that may be sent.
    mutating func popFirst(insideMessage: Bool) -> Item? {
        if insideMessage { return continuations.isEmpty ? nil : continuations.removeFirst() }
        guard head < messages.count else { return nil }
        let item = messages[head]
        head += 1
        if head == messages.count || head >= 64 && head * 2 >= messages.count {
            messages.removeFirst(head)
            head = 0
        }
        unawaitedSize -= item.unawaitedSize
        return item
    }

    /// Takes an item back whose task was cancelled.
    mutating func remove(_ wait: Wait) -> Item? {
        if let index = messages[head...].firstIndex(where: { $0.waiter?.wait == wait }) {
            return messages.remove(at: index)
        }
        if let index = continuations.firstIndex(where: { $0.waiter?.wait == wait }) {
            return continuations.remove(at: index)
        }
        return nil
    }

    /// Takes all items back.
    mutating func removeAll() -> [Item] {
        defer { self = Outbox() }
        return continuations + messages[head...]
    }
}
