import LifelineCore
import NIOCore

/// Messages that arrived while the application was busy, in order, bounded by a high-water mark at which reading stops.
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

        /// A copy of a message that lies elsewhere.
        init(_ message: Connection.BorrowedMessage) {
            kind = message.kind
            bytes = ByteBuffer(bytes: message.bytes)
            isFirst = message.isFirst
            isLast = message.isLast
        }
    }

    /// What an item counts beside its bytes, so that a flood of empty messages meets the mark too.
    private static let overhead = 64

    private var items: [Item] = []
    private var head = 0
    /// The bytes that are held, with each item's overhead.
    private(set) var size = 0

    var isEmpty: Bool { head == items.count }

    mutating func append(_ item: Item) {
        items.append(item)
        size += item.bytes.readableBytes + Inbox.overhead
    }

    /// Puts an item before all others.
    mutating func prepend(_ item: Item) {
        items.insert(item, at: head)
        size += item.bytes.readableBytes + Inbox.overhead
    }

    mutating func popFirst() -> Item? {
        guard head < items.count else { return nil }
        let item = items[head]
        // The slot must not keep the bytes alive.
        items[head].bytes = ByteBuffer()
        head += 1
        size -= item.bytes.readableBytes + Inbox.overhead
        if head == items.count {
            items = []
            head = 0
        } else if head >= 64, head * 2 >= items.count {
            items.removeFirst(head)
            head = 0
        }
        return item
    }

    mutating func removeAll() {
        self = Inbox()
    }
}
