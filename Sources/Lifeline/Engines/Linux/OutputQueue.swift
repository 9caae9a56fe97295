#if os(Linux)
import NIOCore

/// Output that the kernel has not taken yet, in order.
///
/// It is empty, and holds no memory, on every connection whose peer reads what it is sent.
struct OutputQueue {
    /// What keeps a chunk's bytes alive.
    private enum Storage {
        case block(OutputBlock)
        case payload(ByteBuffer)
    }

    private struct Chunk {
        /// What is left to write.
        var bytes: UnsafeRawBufferPointer
        var storage: Storage
    }

    private var chunks: [Chunk] = []
    private var head = 0

    /// Up to this size frames are put into the block before them, where that has room: a slow peer's thousands of small
    /// frames need little more memory than their bytes.
    private static let maximumMergedSize = 2 << 10

    var isEmpty: Bool { head == chunks.count }

    /// The first bytes to write. They stay where they are until ``advance(by:_:)`` says that they have been written.
    var first: UnsafeRawBufferPointer { chunks[head].bytes }

    /// What the first bytes are of, where they are of a payload that stays as it is for as long as somebody holds it.
    var firstPayload: ByteBuffer? {
        if case .payload(let payload) = chunks[head].storage { payload } else { nil }
    }

    /// Adds a block, of which the first `offset` bytes have been written.
    mutating func append(_ block: OutputBlock, from offset: Int = 0, _ loop: Loop) {
        if offset == 0, block.count <= OutputQueue.maximumMergedSize, merge(block) {
            loop.recycle(block)
        } else {
            let bytes = UnsafeRawBufferPointer(rebasing: block.bytes[offset...])
            chunks.append(Chunk(bytes: bytes, storage: .block(block)))
        }
    }

    /// Adds a payload that stays where it is.
    mutating func append(_ payload: ByteBuffer) {
        // The bytes lie still: the buffer's storage is not changed while the chunk holds it.
        let bytes = payload.withUnsafeReadableBytes { $0 }
        guard bytes.count > 0 else { return }
        chunks.append(Chunk(bytes: bytes, storage: .payload(payload)))
    }

    /// Adds a copy of bytes that are only lent.
    mutating func append(copying bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 0 else { return }
        var block = OutputBlock(capacity: bytes.count)
        block.append(bytes)
        chunks.append(Chunk(bytes: block.bytes, storage: .block(block)))
    }

    private mutating func merge(_ block: OutputBlock) -> Bool {
        guard head < chunks.count, case .block(var last) = chunks[chunks.count - 1].storage,
            last.capacity - last.count >= block.count
        else { return false }
        // The chunk's end is the block's end; what is being written of it lies before.
        let written = last.count - chunks[chunks.count - 1].bytes.count
        last.append(block.bytes)
        chunks[chunks.count - 1] = Chunk(
            bytes: UnsafeRawBufferPointer(rebasing: last.bytes[written...]), storage: .block(last))
        return true
    }

    /// Notes that bytes have been written.
    mutating func advance(by count: Int, _ loop: Loop) {
        var rest = count
        while head < chunks.count {
            let bytes = chunks[head].bytes
            guard rest >= bytes.count else {
                chunks[head].bytes = UnsafeRawBufferPointer(rebasing: bytes[rest...])
                return
            }
            rest -= bytes.count
            if case .block(let block) = chunks[head].storage { loop.recycle(block) }
            chunks[head].storage = .payload(ByteBuffer())
            head += 1
            if rest == 0 { break }
        }
        if head == chunks.count {
            chunks = []
            head = 0
        } else if head >= 64, head * 2 >= chunks.count {
            chunks.removeFirst(head)
            head = 0
        }
    }

    mutating func removeAll(_ loop: Loop) {
        for chunk in chunks[head...] {
            if case .block(let block) = chunk.storage { loop.recycle(block) }
        }
        chunks = []
        head = 0
    }
}
#endif
