/// A block of memory that collects a connection's frames until they are written.
///
/// A connection takes it from the loop (``Loop/takeBlock()``). It grows as needed. The transport returns it to the loop
/// after writing it (``Loop/recycle(_:)``). It is a plain value with one owner at a time: the connection that fills it, or the
/// transport that writes it.
package struct OutputBlock {
    private(set) var base: UnsafeMutableRawPointer
    private(set) var capacity: Int
    /// The number of bytes in it.
    package private(set) var count = 0

    /// A placeholder for no block. It has no memory, and none of its methods may be called.
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

    /// Makes room for `room` more bytes. ``advance(by:)`` then records how many were written.
    @inline(__always)
    mutating func reserve(_ room: Int) -> UnsafeMutableRawPointer {
        if capacity &- count < room { grow(to: count + room) }
        return base + count
    }

    @inline(__always)
    mutating func advance(by length: Int) {
        assert(length >= 0 && count + length <= capacity, "more was written than reserved")
        count &+= length
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress else { return }
        reserve(bytes.count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }

    /// Removes the bytes and keeps the memory.
    @inline(__always)
    mutating func clear() {
        count = 0
    }

    package func deallocate() {
        base.deallocate()
    }

    @inline(never)
    private mutating func grow(to minimum: Int) {
        // A block that is being filled doubles. An empty one gets just what one large frame needs.
        let grown = count == 0 ? minimum : max(minimum, capacity * 2)
        let memory = UnsafeMutableRawPointer.allocate(byteCount: grown, alignment: 16)
        memory.copyMemory(from: base, byteCount: count)
        base.deallocate()
        base = memory
        capacity = grown
    }
}
