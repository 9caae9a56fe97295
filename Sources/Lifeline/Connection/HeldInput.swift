/// Input that has been read from the socket and must wait before it is parsed.
///
/// Invariant: it is empty unless the connection has an ``Connection/InputHold``, except while it is being parsed.
struct HeldInput {
    private var bytes: [UInt8] = []
    /// How many of the bytes have been parsed.
    private var start = 0
    /// Whether the peer has ended its side of TCP after these bytes.
    var isEnded = false

    var isEmpty: Bool { count == 0 && !isEnded }
    /// The number of bytes that have not been parsed.
    var count: Int { bytes.count - start }
    /// The bytes for which there is memory.
    var capacity: Int { bytes.capacity }

    mutating func append(_ more: UnsafeMutableRawBufferPointer) {
        bytes += more
    }

    /// Removes the bytes.
    mutating func take() -> (bytes: [UInt8], start: Int) {
        defer { (bytes, start) = ([], 0) }
        return (bytes, start)
    }

    /// Puts bytes back, of which the first `start` have been parsed.
    mutating func keep(_ bytes: [UInt8], from start: Int) {
        assert(count == 0 && start >= 0 && start <= bytes.count)
        (self.bytes, self.start) = (bytes, start)
    }
}
