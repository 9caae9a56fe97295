/// Random bytes for masking keys, nonces and Pings, drawn from a generator in blocks of 512 bytes.
///
/// Masking keys must come from a strong source ([RFC 6455 §10.3](https://www.rfc-editor.org/rfc/rfc6455#section-10.3)), and one system
/// call per frame would cost more than the frame. All connections of a loop can share a pool. Tests pass a seeded generator and get the
/// same bytes each time.
public struct RandomPool: ~Copyable {
    /// The number of bytes drawn at a time.
    static let capacity = 512

    private let refill: (UnsafeMutableRawBufferPointer) -> Void
    private let bytes: UnsafeMutableRawBufferPointer
    private var position: Int

    /// Creates a pool over the system's generator.
    public init() {
        self.init { bytes in
            var generator = SystemRandomNumberGenerator()
            bytes.fill(from: &generator)
        }
    }

    /// Creates a pool over a generator, such as a seeded one.
    public init(_ generator: some RandomNumberGenerator) {
        var generator = generator
        self.init { $0.fill(from: &generator) }
    }

    /// Creates a pool that `refill` fills completely each time.
    package init(refill: @escaping (UnsafeMutableRawBufferPointer) -> Void) {
        self.refill = refill
        self.bytes = .allocate(byteCount: RandomPool.capacity, alignment: 8)
        self.position = RandomPool.capacity
    }

    deinit {
        bytes.deallocate()
    }

    /// Returns the next 32 random bits.
    public mutating func nextUInt32() -> UInt32 {
        if position > RandomPool.capacity - 4 {
            refill(bytes)
            position = 0
        }
        defer { position += 4 }
        return bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self)
    }

    /// Returns the next 64 random bits.
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
