import DequeModule
import LifelineCore
import NIOCore

/// Messages that arrived while the application was busy, in order. Reading stops when ``size`` reaches the high-water mark.
///
/// An empty inbox holds no memory.
struct Inbox {
    /// A message, or a part of one where the application streams.
    struct Item {
        var kind: MessageKind
        var bytes: ByteBuffer
        var isFirst: Bool
        var isLast: Bool

        init(kind: MessageKind, bytes: ByteBuffer, isFirst: Bool, isLast: Bool) {
            self.kind = kind
            self.bytes = bytes
            self.isFirst = isFirst
            self.isLast = isLast
        }

        /// Copies a borrowed message.
        init(_ message: Connection.BorrowedMessage) {
            kind = message.kind
            bytes = ByteBuffer(bytes: message.bytes)
            isFirst = message.isFirst
            isLast = message.isLast
        }

        fileprivate var size: Int { bytes.readableBytes + Inbox.overhead }
    }

    /// The bytes that an item counts in addition to its payload, so that a flood of empty messages reaches the mark too.
    private static let overhead = 64

    private var items = Deque<Item>()
    /// The bytes of all items, each with its overhead.
    private(set) var size = 0

    var isEmpty: Bool { items.isEmpty }

    mutating func append(_ item: Item) {
        items.append(item)
        size += item.size
    }

    /// Adds an item before all others.
    mutating func prepend(_ item: Item) {
        items.prepend(item)
        size += item.size
    }

    mutating func popFirst() -> Item? {
        guard let item = items.popFirst() else { return nil }
        size -= item.size
        if items.isEmpty { items = Deque() }
        assert(size >= 0 && (size == 0) == items.isEmpty)
        return item
    }

    mutating func removeAll() {
        self = Inbox()
    }
}
