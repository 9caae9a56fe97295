import NIOCore

/// The `ByteBuffer`s that an event loop's connections hand to their channels.
///
/// A buffer goes back as soon as the channel has it. Mostly the channel has written it by the time it is taken again, and
/// the memory serves again; where the channel still holds it, the next to take it gets fresh memory.
final class NIOBufferPool {
    @exclusivity(unchecked) private var small: [ByteBuffer] = []
    @exclusivity(unchecked) private var large: [ByteBuffer] = []

    /// From this capacity on a buffer counts as large: its memory comes from the system, which is slow.
    private static let largeCapacity = 64 << 10
    /// The most bytes of a buffer that is kept.
    private static let maximumCapacity = 4 << 20
    private static let maximumSmall = 8
    private static let maximumLarge = 2

    /// A buffer with these bytes.
    @inline(__always)
    func take(_ bytes: UnsafeRawBufferPointer) -> ByteBuffer {
        var buffer =
            (bytes.count >= NIOBufferPool.largeCapacity ? large.popLast() : small.popLast())
            ?? ByteBufferAllocator().buffer(capacity: max(bytes.count, 2048))
        buffer.clear(minimumCapacity: bytes.count)
        buffer.writeBytes(bytes)
        return buffer
    }

    /// Takes a buffer back that the channel has been given.
    @inline(__always)
    func recycle(_ buffer: consuming ByteBuffer) {
        if buffer.capacity < NIOBufferPool.largeCapacity {
            if small.count < NIOBufferPool.maximumSmall { small.append(buffer) }
        } else if large.count < NIOBufferPool.maximumLarge, buffer.capacity <= NIOBufferPool.maximumCapacity {
            large.append(buffer)
        }
    }
}
