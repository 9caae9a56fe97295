/// The caller's bytes, as an ``Endpoint`` reads on in them.
///
/// Payloads are unmasked where they lie, so the memory must be the caller's to change. The buffer neither owns nor frees
/// it, and must not outlive it.
public struct ReadBuffer {
    /// The next byte to read.
    public private(set) var start: UnsafeMutableRawPointer
    /// The number of bytes that have not been read.
    public private(set) var count: Int

    /// The bytes of `memory`, from its first to its last.
    public init(_ memory: UnsafeMutableRawBufferPointer) {
        // An empty buffer may have no address; it is never read then.
        start = memory.baseAddress ?? UnsafeMutableRawPointer(bitPattern: 1)!
        count = memory.count
    }

    /// Whether every byte has been read.
    public var isEmpty: Bool { count == 0 }

    /// The bytes that have not been read.
    public var unread: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: start, count: count) }

    @inline(__always)
    mutating func skip(_ bytes: Int) {
        start += bytes
        count &-= bytes
    }
}
