/// Random bytes for masking keys, nonces and the first ping, drawn from a generator a block at a time.
///
/// Masking keys must come from a strong source ([RFC 6455 §10.3](https://www.rfc-editor.org/rfc/rfc6455#section-10.3)),
/// and a system call a frame would cost more than the frame. One pool serves all connections of a loop. A test passes a
/// seeded generator and gets the same bytes each time.
public struct RandomPool: ~Copyable {
    /// The number of bytes drawn at once.
    static let capacity = 512

    private let refill: (UnsafeMutableRawBufferPointer) -> Void
    private let bytes: UnsafeMutableRawBufferPointer
    private var position: Int

    /// A pool over the system's generator.
    public init() {
        self.init { bytes in
            var generator = SystemRandomNumberGenerator()
            bytes.fill(from: &generator)
        }
    }

    /// A pool over a generator of the caller's, for instance a seeded one.
    public init(_ generator: some RandomNumberGenerator) {
        var generator = generator
        self.init { $0.fill(from: &generator) }
    }

    /// A pool that a function fills, all of it at a time.
    package init(refill: @escaping (UnsafeMutableRawBufferPointer) -> Void) {
        self.refill = refill
        self.bytes = .allocate(byteCount: RandomPool.capacity, alignment: 8)
        self.position = RandomPool.capacity
    }

    deinit {
        bytes.deallocate()
    }

    /// The next 32 random bits.
    public mutating func nextUInt32() -> UInt32 {
        if position > RandomPool.capacity - 4 {
            refill(bytes)
            position = 0
        }
        defer { position += 4 }
        return bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self)
    }

    /// The next 64 random bits.
    public mutating func nextUInt64() -> UInt64 {
        UInt64(nextUInt32()) << 32 | UInt64(nextUInt32())
    }
}

extension UnsafeMutableRawBufferPointer {
    fileprivate func fill(from generator: inout some RandomNumberGenerator) {
        for offset in stride(from: 0, to: count, by: 8) {
            storeBytes(of: generator.next(), toByteOffset: offset, as: UInt64.self)
        }
    }
}
