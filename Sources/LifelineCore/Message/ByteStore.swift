/// Bytes that are kept until more have arrived: a message's fragments, or a head that came in pieces.
///
/// The store grows with what has *arrived*, never with what a peer has announced. It holds no memory while it is empty.
struct ByteStore: ~Copyable {
    private var base: UnsafeMutableRawPointer?
    private(set) var count = 0
    private var capacity = 0

    /// Where large blocks come from, and go to.
    let pool: MemoryPool?

    init(pool: MemoryPool? = nil) {
        self.pool = pool
    }

    deinit {
        free()
    }

    private func free() {
        guard let base else { return }
        if let pool, capacity >= MemoryPool.minimumSize {
            pool.give(base, capacity: capacity)
        } else {
            base.deallocate()
        }
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

    /// Adds a value's bytes at the end.
    mutating func append<Value: BitwiseCopyable>(_ value: Value) {
        withUnsafeBytes(of: value) { append($0.baseAddress.unsafelyUnwrapped, count: $0.count) }
    }

    /// Room for at least `minimum` bytes behind the last, for ``noteAppended(_:)`` to say how many were written.
    mutating func reserve(_ minimum: Int) -> UnsafeMutableRawBufferPointer {
        if capacity - count < minimum { grow(to: count + minimum) }
        return UnsafeMutableRawBufferPointer(start: base.unsafelyUnwrapped + count, count: capacity - count)
    }

    /// Adds the next `length` of the bytes that ``reserve(_:)`` made room for.
    mutating func noteAppended(_ length: Int) {
        count += length
    }

    /// Takes bytes back from the end.
    mutating func removeLast(_ length: Int) {
        count -= length
    }

    /// Gives memory back where there is much more than the bytes need.
    mutating func shrinkToFit() {
        guard capacity > 1024, capacity / 4 > count else { return }
        let size = max(count, 128)
        let block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
        if let base { block.copyMemory(from: base, byteCount: count) }
        free()
        base = block
        capacity = size
    }

    /// Forgets the bytes and frees their memory.
    mutating func removeAll() {
        free()
        base = nil
        count = 0
        capacity = 0
    }

    private mutating func grow(to minimum: Int) {
        // Growing by a factor keeps the work linear in the bytes; large blocks, which are there to be used again, by a
        // larger one. The first block fits a small message.
        let wanted = max(minimum, capacity >= MemoryPool.minimumSize ? capacity * 4 : capacity * 2, 128)
        let (grown, size) =
            if let pool, wanted >= MemoryPool.minimumSize {
                pool.take(wanted)
            } else {
                (UnsafeMutableRawPointer.allocate(byteCount: wanted, alignment: 16), wanted)
            }
        if let base { grown.copyMemory(from: base, byteCount: count) }
        free()
        base = grown
        capacity = size
    }
}
