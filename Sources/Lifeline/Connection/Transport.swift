package import NIOCore

/// What a connection needs of the byte stream below it: the seam between the protocol and the engines.
///
/// An engine (``NIOTransport``, the tests' simulated network) implements this protocol, and calls its connection's
/// `received`, `inputEnded`, `failed`, `outputDrained` and `terminated`. All of it happens on the connection's loop.
///
/// Whatever is paused, waits or is being closed: that the byte stream has failed is reported at once. Where a write fails and
/// the peer is still being read, the rest of what it has sent comes first, for at most a second.
package protocol Transport: AnyObject {
    /// Takes a block of frames to write, in order, without pushing it out yet. The transport gives it back to the loop
    /// when it has been written.
    func write(_ block: OutputBlock)

    /// Takes a large payload to write, in order, which may be kept as it is.
    func write(_ payload: ByteBuffer)

    /// Takes a large payload to write, in order, that is only lent: what is not written at once is copied.
    func write(lent payload: UnsafeRawBufferPointer)

    /// Pushes out what has been written.
    func flush()

    /// Whether less than the low-water mark, after the high-water mark had been passed, waits to go out.
    var isWritable: Bool { get }

    /// The bytes that have been handed over and not written. What a transport drops, since its peer takes no more or its byte
    /// stream has ended, was never written, and stays among them.
    var pendingBytes: Int { get }

    /// From this size on, in bytes, a payload is cheaper to write from where it lies than behind its header in a block.
    var separatePayloadSize: Int { get }

    /// Stops reading, or reads on. Bytes that are left in the kernel make TCP slow the peer down.
    func setReading(_ reads: Bool)

    /// Ends the output side once everything has been written, and reads on.
    func shutdownOutput()

    /// Ends the connection once everything has been written.
    func close()

    /// Ends the connection at once.
    func abort()
}

extension Transport {
    package var separatePayloadSize: Int { 16 << 10 }

    /// An engine that does not know cannot tell a slow peer from a dead one.
    package var pendingBytes: Int { 0 }
}
