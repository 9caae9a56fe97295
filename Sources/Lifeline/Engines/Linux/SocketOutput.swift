#if os(Linux)
import LifelineCore
import NIOCore

/// The bytes of one socket that wait to be written, in order: a block, and a queue behind it.
///
/// Almost always it holds one block or nothing, so that writing and flushing touch no array.
///
/// Invariant: `waitingBytes` is the number of unwritten bytes of the block plus those in the queue. A block is never empty.
struct SocketOutput {
    private(set) var block = OutputBlock.none
    private(set) var hasBlock = false
    /// How many bytes of the block have been written.
    private var writtenOfBlock = 0
    private var queue = OutputQueue()
    private var waitingBytes = 0
    private var droppedBytes = 0
    var marks: BufferLimits.Marks
    /// The loop that owns the blocks, and takes them back.
    unowned(unsafe) let loop: Loop

    init(_ marks: BufferLimits.Marks, _ loop: Loop) {
        self.marks = marks
        self.loop = loop
    }

    @inline(__always)
    var isEmpty: Bool { waitingBytes == 0 }

    /// The bytes that wait, and those that were dropped.
    var pendingBytes: Int { waitingBytes &+ droppedBytes }

    @inline(__always)
    var isAboveHighMark: Bool { waitingBytes > marks.high }

    var isBelowLowMark: Bool { waitingBytes < marks.low }

    /// Whether nothing but a block waits, of which nothing has been written.
    @inline(__always)
    var isOneWholeBlock: Bool { hasBlock && writtenOfBlock == 0 && waitingBytes == block.count }

    /// Whether nothing waits behind the block.
    var isQueueEmpty: Bool { queue.isEmpty }

    @inline(__always)
    var unwrittenOfBlock: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: block.base + writtenOfBlock, count: block.count &- writtenOfBlock)
    }

    /// The first bytes to write. They stay where they are until ``advance(by:)`` reports them as written.
    var first: UnsafeRawBufferPointer { hasBlock ? unwrittenOfBlock : queue.first }

    /// The payload that holds the first bytes, if they belong to one that may be kept.
    var firstPayload: ByteBuffer? { hasBlock ? nil : queue.firstPayload }

    // MARK: Adding

    @inline(__always)
    mutating func append(_ block: OutputBlock) {
        assert(block.count > 0, "an empty block is not written")
        if waitingBytes == 0 {
            self.block = block
            writtenOfBlock = 0
            hasBlock = true
        } else {
            queue.append(block, loop)
        }
        waitingBytes &+= block.count
    }

    /// Adds a payload, which is kept without a copy.
    mutating func append(_ payload: ByteBuffer) {
        queue.append(payload)
        waitingBytes &+= payload.readableBytes
    }

    /// Adds a copy of borrowed bytes.
    mutating func append(copying bytes: UnsafeRawBufferPointer) {
        queue.append(copying: bytes)
        waitingBytes &+= bytes.count
    }

    // MARK: Removing

    /// Removes the only block, which has been written.
    @inline(__always)
    mutating func removeWholeBlock() {
        assert(isOneWholeBlock)
        hasBlock = false
        waitingBytes = 0
        loop.recycle(block)
    }

    /// Removes the first `count` bytes, which have been written.
    mutating func advance(by count: Int) {
        assert(count >= 0 && count <= waitingBytes, "more was written than waited")
        waitingBytes &-= count
        var rest = count
        if hasBlock {
            let ofBlock = min(count, block.count &- writtenOfBlock)
            rest -= ofBlock
            writtenOfBlock += ofBlock
            if writtenOfBlock == block.count {
                hasBlock = false
                loop.recycle(block)
            }
        }
        if rest > 0 { queue.advance(by: rest, loop) }
        assert(waitingBytes > 0 || !hasBlock && queue.isEmpty)
    }

    /// Drops everything that waits.
    mutating func removeAll() {
        if hasBlock { loop.recycle(block) }
        hasBlock = false
        queue.removeAll(loop)
        drop(waitingBytes)
        waitingBytes = 0
    }

    /// Counts bytes that will never be written.
    mutating func drop(_ count: Int) {
        droppedBytes &+= count
    }

    mutating func drop(_ block: OutputBlock) {
        drop(block.count)
        loop.recycle(block)
    }
}
#endif
