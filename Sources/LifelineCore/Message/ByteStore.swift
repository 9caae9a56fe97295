/// Bytes that are kept until more have arrived: a message's fragments, or a head that came in pieces.
///
/// The store grows with what has *arrived*, never with what a peer has announced. It holds no memory while it is empty.
struct ByteStore: ~Copyable {
    private var base: UnsafeMutableRawPointer?
    private(set) var count = 0
    private var capacity = 0

    init() {}

    deinit {
        base?.deallocate()
    }

    var isEmpty: Bool { count == 0 }

    /// The bytes, valid until the store is changed.
    var bytes: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: base, count: count) }

    /// Adds `length` bytes at the end.
    mutating func append(_ source: UnsafeRawPointer, count length: Int) {
        guard length > 0 else { return }
        let total = count + length
        if total > capacity { grow(to: total) }
        base.unsafelyUnwrapped.advanced(by: count).copyMemory(from: source, byteCount: length)
        count = total
    }

    /// Forgets the first `length` bytes.
    mutating func removeFirst(_ length: Int) {
        precondition(length <= count)
        guard length < count, let base else { return removeAll() }
        base.copyMemory(from: base + length, byteCount: count - length)
        count -= length
    }

    /// Forgets the bytes and frees their memory.
    mutating func removeAll() {
        base?.deallocate()
        base = nil
        count = 0
        capacity = 0
    }

    private mutating func grow(to minimum: Int) {
        // Doubling keeps the work linear in the bytes. The first block fits a small message.
        let wanted = max(minimum, capacity * 2, 128)
        let grown = UnsafeMutableRawPointer.allocate(byteCount: wanted, alignment: 16)
        if let base {
            grown.copyMemory(from: base, byteCount: count)
            base.deallocate()
        }
        base = grown
        capacity = wanted
    }
}
