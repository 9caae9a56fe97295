#if os(Linux)
import DequeModule
import NIOCore

/// Blocks and payloads that wait behind the first block of a ``SocketOutput``, in order.
///
/// It is empty, and holds no memory, on every connection whose peer keeps reading.
struct OutputQueue {
    /// The owner of a chunk's bytes.
    private enum Storage {
        case block(OutputBlock)
        case payload(ByteBuffer)
    }

    private struct Chunk {
        /// The bytes that have not been written.
        var bytes: UnsafeRawBufferPointer
        var storage: Storage
    }

    private var chunks = Deque<Chunk>()

    /// The largest block, in bytes, that is copied into the block before it if that has room. So thousands of small frames for
    /// a slow peer need little more memory than their bytes.
    private static let maximumMergedSize = 2 << 10

    var isEmpty: Bool { chunks.isEmpty }

    /// The first bytes to write. They stay where they are until ``advance(by:_:)`` reports them as written.
    var first: UnsafeRawBufferPointer { chunks[0].bytes }

    /// The payload that holds the first bytes, if they belong to one. It does not change as long as somebody holds it.
    var firstPayload: ByteBuffer? {
        if case .payload(let payload) = chunks.first?.storage { payload } else { nil }
    }

    /// Adds a block.
    mutating func append(_ block: OutputBlock, _ loop: Loop) {
        if block.count <= OutputQueue.maximumMergedSize, merge(block) {
            loop.recycle(block)
        } else {
            chunks.append(Chunk(bytes: block.bytes, storage: .block(block)))
        }
    }

    /// Adds a payload, which is kept without a copy.
    mutating func append(_ payload: ByteBuffer) {
        // The pointer stays valid: the chunk holds the buffer's storage, and nobody changes it.
        let bytes = payload.withUnsafeReadableBytes { $0 }
        guard bytes.count > 0 else { return }
        chunks.append(Chunk(bytes: bytes, storage: .payload(payload)))
    }

    /// Adds a copy of borrowed bytes.
    mutating func append(copying bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 0 else { return }
        var block = OutputBlock(capacity: bytes.count)
        block.append(bytes)
        chunks.append(Chunk(bytes: block.bytes, storage: .block(block)))
    }

    private mutating func merge(_ block: OutputBlock) -> Bool {
        guard let chunk = chunks.last, case .block(var last) = chunk.storage, last.capacity - last.count >= block.count
        else { return false }
        // The chunk ends where its block ends. The kernel may be reading the bytes before.
        let written = last.count - chunk.bytes.count
        last.append(block.bytes)
        chunks[chunks.count - 1] = Chunk(
            bytes: UnsafeRawBufferPointer(rebasing: last.bytes[written...]), storage: .block(last))
        return true
    }

    /// Removes the first `count` bytes, which have been written.
    mutating func advance(by count: Int, _ loop: Loop) {
        var rest = count
        while rest > 0 {
            let bytes = chunks[0].bytes
            guard rest >= bytes.count else {
                chunks[0].bytes = UnsafeRawBufferPointer(rebasing: bytes[rest...])
                return
            }
            rest -= bytes.count
            if case .block(let block) = chunks.removeFirst().storage { loop.recycle(block) }
        }
        if chunks.isEmpty { chunks = Deque() }
    }

    mutating func removeAll(_ loop: Loop) {
        for chunk in chunks {
            if case .block(let block) = chunk.storage { loop.recycle(block) }
        }
        chunks = Deque()
    }
}
#endif
