/// A view of the caller's bytes that an ``Endpoint`` consumes from the front.
///
/// Payloads are unmasked in place, so the memory must be mutable. The buffer neither owns nor frees the memory, and must not outlive
/// it.
public struct ReadBuffer {
    /// The address of the next byte to read.
    public private(set) var start: UnsafeMutableRawPointer
    /// The number of bytes that have not been read.
    public private(set) var count: Int

    /// Creates a buffer of all bytes of `memory`.
    public init(_ memory: UnsafeMutableRawBufferPointer) {
        // An empty buffer may have no address. It is never read.
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
