/// A block of memory in which a connection's frames gather until they are written.
///
/// It is lent by the loop (``Loop/takeBlock()``), grows with what is put into it, and goes back to the loop from whoever
/// has written it (``Loop/recycle(_:)``). A plain value: exactly one place owns it at a time, the connection that fills
/// it or the transport that writes it.
package struct OutputBlock {
    private(set) var base: UnsafeMutableRawPointer
    private(set) var capacity: Int
    /// The number of bytes in it.
    package private(set) var count = 0

    /// No block: it has no memory, and none of its methods may be called.
    static var none: OutputBlock { OutputBlock() }

    private init() {
        base = UnsafeMutableRawPointer(bitPattern: 16)!
        capacity = 0
    }

    init(capacity: Int) {
        base = .allocate(byteCount: capacity, alignment: 16)
        self.capacity = capacity
    }

    /// The bytes.
    @inline(__always)
    package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    /// Where the next `room` bytes may be written; ``advance(by:)`` says how many were.
    @inline(__always)
    mutating func reserve(_ room: Int) -> UnsafeMutableRawPointer {
        if capacity &- count < room { grow(to: count + room) }
        return base + count
    }

    @inline(__always)
    mutating func advance(by length: Int) {
        count &+= length
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress else { return }
        reserve(bytes.count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }

    /// Forgets the bytes and keeps the memory.
    @inline(__always)
    mutating func clear() {
        count = 0
    }

    package func deallocate() {
        base.deallocate()
    }

    @inline(never)
    private mutating func grow(to minimum: Int) {
        // An empty block need not keep room for more of the same; one that is being filled doubles.
        let grown = count == 0 ? minimum : max(minimum, capacity * 2)
        let memory = UnsafeMutableRawPointer.allocate(byteCount: grown, alignment: 16)
        memory.copyMemory(from: base, byteCount: count)
        base.deallocate()
        base = memory
        capacity = grown
    }
}
