/// A growing buffer of bytes that are kept until more have arrived: a message's fragments, or a head that came in pieces.
///
/// It grows with what has *arrived*, never with what a peer has announced. It holds no memory while it is empty.
struct ByteStore: ~Copyable {
    private var base: UnsafeMutableRawPointer?
    private(set) var count = 0
    private(set) var capacity = 0

    /// The factor by which large blocks grow.
    private static let largeFactor = 4

    /// The pool that large blocks come from and return to; `nil` for the system.
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

    /// The bytes. They are valid until the store changes.
    var bytes: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: base, count: count) }

    /// Appends bytes. Bytes that were written into the ``room(for:of:)`` are not copied.
    ///
    /// - Parameters:
    ///   - source: The address of the bytes.
    ///   - length: The number of bytes.
    ///   - expected: How many more have been announced. Memory is allocated for them at most in proportion to what has arrived.
    mutating func append(_ source: UnsafeRawPointer, count length: Int, expecting expected: Int = 0) {
        guard length > 0 else { return }
        let total = count + length
        if let base, source == UnsafeRawPointer(base + count), total <= capacity {
            count = total
            return
        }
        if total > capacity { grow(to: total + min(expected, total * (ByteStore.largeFactor - 1))) }
        pool?.meter?.copied += length
        base.unsafelyUnwrapped.advanced(by: count).copyMemory(from: source, byteCount: length)
        count = total
    }

    /// Appends the bytes of a value.
    mutating func append<Value: BitwiseCopyable>(_ value: Value) {
        withUnsafeBytes(of: value) { append($0.baseAddress.unsafelyUnwrapped, count: $0.count) }
    }

    /// Returns room for at least `minimum` more bytes. Call ``noteAppended(_:)`` with the number of bytes written to it.
    mutating func reserve(_ minimum: Int) -> UnsafeMutableRawBufferPointer {
        reserve(minimum, wishing: minimum)
    }

    /// Returns room for at least `minimum` more bytes, if more than that are likely to come.
    ///
    /// - Parameter wished: The preferred room to allocate if the store has to grow.
    mutating func reserve(_ minimum: Int, wishing wished: Int) -> UnsafeMutableRawBufferPointer {
        // Large blocks grow in proportion to the bytes they hold, not to their capacity: only a wish makes the capacity exceed four
        // times the bytes by much. ``shrinkToFit()`` relies on that.
        if capacity - count < minimum {
            move(to: max(count + max(minimum, wished), count * growth, capacity * 2, 128))
        }
        return UnsafeMutableRawBufferPointer(start: base.unsafelyUnwrapped + count, count: capacity - count)
    }

    /// Appends the next `length` bytes, which were written to the room that ``reserve(_:)`` returned.
    mutating func noteAppended(_ length: Int) {
        count += length
    }

    /// Removes bytes from the end.
    mutating func removeLast(_ length: Int) {
        count -= length
    }

    /// The room that ``shrinkToFit()`` leaves beyond four times the stored bytes.
    static let spareRoom = 4096

    /// Releases memory if the capacity is much larger than the bytes need: by more than a factor of four and ``spareRoom``.
    ///
    /// The capacity is that large only if more was wished for than has arrived. If callers wish for at most a few times what has arrived
    /// since the last call, the bytes moved here are linear in what has arrived.
    mutating func shrinkToFit() {
        guard capacity > ByteStore.spareRoom, capacity / 4 - ByteStore.spareRoom / 4 > count else { return }
        if isEmpty { removeAll() } else { move(to: max(count, 128)) }
    }

    /// Returns room for more bytes. It is valid until the store changes.
    ///
    /// - Parameters:
    ///   - arrived: How many more bytes have arrived. There is room for all of them.
    ///   - expected: The most bytes that may come, including `arrived`. There is room for at most so many, and for fewer if they are many
    ///     times what has arrived.
    mutating func room(for arrived: Int, of expected: Int) -> UnsafeMutableRawBufferPointer {
        let needed = count.addingSaturating(max(arrived, 0))
        if needed > capacity {
            move(
                to: min(
                    needed.multipliedSaturating(by: ByteStore.largeFactor),
                    max(count.addingSaturating(max(expected, 0)), needed)))
        }
        guard let base else { return UnsafeMutableRawBufferPointer(start: nil, count: 0) }
        return UnsafeMutableRawBufferPointer(start: base + count, count: min(capacity - count, max(expected, 0)))
    }

    /// Removes all bytes and frees their memory.
    mutating func removeAll() {
        free()
        base = nil
        count = 0
        capacity = 0
    }

    /// The factor by which the store grows, which keeps the work linear in the bytes. Large blocks, which are reused, grow by a larger
    /// one.
    private var growth: Int { capacity >= MemoryPool.minimumSize ? ByteStore.largeFactor : 2 }

    private mutating func grow(to minimum: Int) {
        // The first block fits a small message.
        move(to: max(minimum, capacity * growth, 128))
    }

    private mutating func move(to wanted: Int) {
        let (grown, size) =
            if let pool, wanted >= MemoryPool.minimumSize {
                pool.take(wanted)
            } else {
                (UnsafeMutableRawPointer.allocate(byteCount: wanted, alignment: 16), wanted)
            }
        if let meter = pool?.meter {
            meter.copied += count
            if wanted < MemoryPool.minimumSize { meter.allocated += size }
        }
        if let base { grown.copyMemory(from: base, byteCount: count) }
        free()
        base = grown
        capacity = size
    }
}
