package import NIOCore

/// The byte stream of a connection: the interface between the protocol and the engines.
///
/// An engine implements this protocol, and calls `received`, `inputEnded`, `failed`, `outputDrained` and `terminated` of its
/// connection. All calls in both directions are made on the connection's loop.
///
/// A failure of the byte stream is reported at once, also while reading is paused, output waits, or the transport is closing.
/// One exception: when a write fails while the peer is still being read, the rest of what the peer sent comes first, for at
/// most a second.
package protocol Transport: AnyObject {
    /// Adds a block of frames to the output, which is written by ``flush()``. The transport gives the block back to the loop
    /// when it has been written.
    func write(_ block: OutputBlock)

    /// Adds a large payload to the output. The transport may keep the buffer.
    func write(_ payload: ByteBuffer)

    /// Adds a large payload to the output that is borrowed for the call. The transport copies what it does not write at once.
    func write(lent payload: UnsafeRawBufferPointer)

    /// Writes the output.
    func flush()

    /// Whether the transport takes more output: becomes `false` when more than the high-water mark waits, and `true` again when
    /// less than the low-water mark does.
    var isWritable: Bool { get }

    /// The bytes that have been handed over and not written. They include bytes that the transport has dropped because a write
    /// failed or the byte stream ended.
    var pendingBytes: Int { get }

    /// The size in bytes from which it is cheaper to write a payload from where it lies than to copy it behind its header.
    var separatePayloadSize: Int { get }

    /// Sets the marks at which the output counts as full and as writable again.
    func setOutboundMarks(_ marks: BufferLimits.Marks)

    /// Pauses or resumes reading. Bytes that stay in the kernel make TCP slow the peer down.
    func setReading(_ reads: Bool)

    /// Ends the output side when everything has been written, and goes on reading.
    func shutdownOutput()

    /// Ends the byte stream when everything has been written.
    func close()

    /// Ends the byte stream at once.
    func abort()
}

extension Transport {
    package var separatePayloadSize: Int { 16 << 10 }

    /// An engine that does not implement this cannot distinguish a slow peer from a dead one.
    package var pendingBytes: Int { 0 }
}
