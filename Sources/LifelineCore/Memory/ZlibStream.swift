import CZlib

/// The memory of one zlib stream at a fixed address, as zlib requires, counted by a budget.
struct ZlibStream: ~Copyable {
    /// The stream.
    let pointer: UnsafeMutablePointer<z_stream>
    private let end: (UnsafeMutablePointer<z_stream>) -> Void

    /// Allocates a stream, which zlib has yet to initialize.
    ///
    /// - Parameters:
    ///   - budget: The budget that counts the memory zlib allocates.
    ///   - end: zlib's function that frees the stream's memory. It does nothing if initialization failed.
    init(budget: CompressionBudget, end: @escaping (UnsafeMutablePointer<z_stream>) -> Void) {
        self.end = end
        pointer = .allocate(capacity: 1)
        pointer.initialize(to: .counted(by: budget))
    }

    deinit {
        end(pointer)
        pointer.pointee.endCounting()
        pointer.deallocate()
    }

    /// The bytes of memory that the stream uses.
    var size: Int { pointer.pointee.size }

    /// Returns a copy of the window.
    ///
    /// - Parameter get: zlib's function that copies the window; with `nil` for the buffer, it returns its length only.
    func window(
        _ get: (UnsafeMutablePointer<z_stream>, UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<UInt32>) -> Void
    ) -> [UInt8] {
        var length: UInt32 = 0
        get(pointer, nil, &length)
        // An array keeps the capacity that it is created with, which is exactly what is needed.
        return Array(unsafeUninitializedCapacity: Int(length)) { buffer, count in
            get(pointer, buffer.baseAddress, &length)
            count = Int(length)
        }
    }
}

extension UnsafeRawBufferPointer {
    /// The bytes as zlib's functions take them. They do not change the bytes.
    var mutableBytes: UnsafeMutablePointer<UInt8>? {
        UnsafeMutablePointer(mutating: baseAddress?.assumingMemoryBound(to: UInt8.self))
    }
}

/// The memory that zlib has allocated for a stream. zlib passes a pointer to it to its allocators.
private struct StreamAccount {
    /// The budget that counts the memory. The account owns a reference to it, because memory may be freed late.
    let budget: CompressionBudget
    var size = 0

    /// Counts bytes that were allocated or, if negative, freed.
    mutating func count(_ bytes: Int) {
        size += bytes
        budget.take(bytes)
    }
}

extension z_stream {
    /// Returns a stream whose memory a budget counts.
    fileprivate static func counted(by budget: CompressionBudget) -> z_stream {
        let account = UnsafeMutablePointer<StreamAccount>.allocate(capacity: 1)
        account.initialize(to: StreamAccount(budget: budget))
        var stream = z_stream()
        stream.opaque = UnsafeMutableRawPointer(account)
        stream.zalloc = { account, items, size in
            // The size precedes the block, for when it is freed.
            let count = Int(items).multipliedSaturating(by: Int(size)).addingSaturating(16)
            guard count < .max else { return nil }
            let block = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 16)
            block.storeBytes(of: count, as: Int.self)
            account.unsafelyUnwrapped.assumingMemoryBound(to: StreamAccount.self).pointee.count(count)
            return block + 16
        }
        stream.zfree = { account, address in
            guard let address else { return }
            let block = address - 16
            let count = block.load(as: Int.self)
            account.unsafelyUnwrapped.assumingMemoryBound(to: StreamAccount.self).pointee.count(-count)
            block.deallocate()
        }
        return stream
    }

    /// The bytes that zlib has allocated for the stream, and those of the stream itself.
    fileprivate var size: Int {
        opaque.assumingMemoryBound(to: StreamAccount.self).pointee.size + MemoryLayout<z_stream>.size
            + MemoryLayout<StreamAccount>.size
    }

    /// Frees the account, once zlib has freed all memory.
    fileprivate func endCounting() {
        let account = opaque.assumingMemoryBound(to: StreamAccount.self)
        account.deinitialize(count: 1)
        account.deallocate()
    }
}
