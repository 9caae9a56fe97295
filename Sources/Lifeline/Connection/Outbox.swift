import DequeModule
import LifelineCore
import NIOCore

/// Sends that wait: until the transport has room, or until a fragmented message has ended.
///
/// An empty outbox holds no memory.
struct Outbox {
    /// Resumes a waiting send with its result.
    typealias Completion = UnsafeContinuation<Result<Void, WebSocketError>, Never>

    /// A frame to send and the task that waits for it. Either may be missing, not both.
    struct Item {
        /// `nil` where the task only waits until the transport has room.
        var frame: OutboundFrame?
        /// `nil` where the sender does not wait.
        var waiter: Waiter?

        /// The bytes of its payload.
        var payloadSize: Int { frame?.payload.readableBytes ?? 0 }

        /// The bytes that the item adds to ``Outbox/unawaitedSize``.
        var unawaitedSize: Int { waiter == nil ? (frame?.payload.readableBytes ?? 0) + Outbox.overhead : 0 }
    }

    /// A task that waits for its frame to be sent.
    struct Waiter {
        var wait: Wait
        var completion: Completion
    }

    /// The bytes that an item counts in addition to its payload.
    static let overhead = 128

    /// Whole messages and first fragments.
    private var messages = Deque<Item>()
    /// Further fragments of the message that is being sent. They overtake the messages, which wait for its end.
    private var continuations = Deque<Item>()
    /// The bytes of the items for which no task waits, each with its overhead.
    private(set) var unawaitedSize = 0

    /// The bytes of all payloads.
    var payloadSize: Int {
        messages.reduce(0) { $0 + $1.payloadSize } + continuations.reduce(0) { $0 + $1.payloadSize }
    }

    var isEmpty: Bool { messages.isEmpty && continuations.isEmpty }

    mutating func append(_ item: Item) {
        assert(item.frame != nil || item.waiter != nil)
        unawaitedSize += item.unawaitedSize
        if item.frame?.isContinuation == true {
            continuations.append(item)
        } else {
            messages.append(item)
        }
    }

    /// Removes the next item that may be sent.
    ///
    /// - Parameter insideMessage: Whether a fragmented message is being sent.
    mutating func popFirst(insideMessage: Bool) -> Item? {
        guard let item = insideMessage ? continuations.popFirst() : messages.popFirst() else { return nil }
        unawaitedSize -= item.unawaitedSize
        assert(unawaitedSize >= 0 && (unawaitedSize == 0 || !isEmpty))
        if isEmpty { self = Outbox() }
        return item
    }

    /// Removes the item of a task that was cancelled.
    mutating func remove(_ wait: Wait) -> Item? {
        if let index = messages.firstIndex(where: { $0.waiter?.wait == wait }) {
            return messages.remove(at: index)
        }
        if let index = continuations.firstIndex(where: { $0.waiter?.wait == wait }) {
            return continuations.remove(at: index)
        }
        return nil
    }

    /// Removes all items.
    mutating func removeAll() -> Deque<Item> {
        defer { self = Outbox() }
        continuations.append(contentsOf: messages)
        return continuations
    }
}
