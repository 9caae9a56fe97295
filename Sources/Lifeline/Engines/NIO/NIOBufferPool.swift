import NIOCore

/// The `ByteBuffer`s that the connections of an event loop give to their channels. Confined to the event loop.
///
/// A buffer is recycled as soon as the channel has it. Mostly the channel has written it by the time it is taken again, and its
/// memory is reused. If the channel still holds it, clearing it allocates new memory.
final class NIOBufferPool {
    @exclusivity(unchecked) private var small: [ByteBuffer] = []
    @exclusivity(unchecked) private var large: [ByteBuffer] = []

    /// The capacity in bytes from which a buffer is large: its memory comes from the system, which is slow.
    private static let largeCapacity = 64 << 10
    /// The largest capacity of a buffer that is kept, in bytes.
    private static let maximumCapacity = 4 << 20
    private static let maximumSmall = 8
    private static let maximumLarge = 2

    /// Returns a buffer with a copy of the bytes.
    @inline(__always)
    func take(_ bytes: UnsafeRawBufferPointer) -> ByteBuffer {
        var buffer =
            (bytes.count >= NIOBufferPool.largeCapacity ? large.popLast() : small.popLast())
            ?? ByteBufferAllocator().buffer(capacity: max(bytes.count, 2048))
        buffer.clear(minimumCapacity: bytes.count)
        buffer.writeBytes(bytes)
        return buffer
    }

    /// Takes back a buffer that has been given to a channel.
    @inline(__always)
    func recycle(_ buffer: consuming ByteBuffer) {
        if buffer.capacity < NIOBufferPool.largeCapacity {
            if small.count < NIOBufferPool.maximumSmall { small.append(buffer) }
        } else if large.count < NIOBufferPool.maximumLarge, buffer.capacity <= NIOBufferPool.maximumCapacity {
            large.append(buffer)
        }
    }
}
