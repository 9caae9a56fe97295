/// Counts the work of the core, so that tests and fuzzers can check that it is linear in the input.
///
/// It belongs to a ``MemoryPool`` (``MemoryPool/meter``). It counts where bytes are copied, memory comes from the system, or zlib is
/// called.
package final class WorkMeter {
    /// The bytes that were copied.
    package var copied = 0
    /// The bytes of memory that came from the system, and not from a pool.
    package var allocated = 0
    /// The bytes that decompressors have produced.
    package var inflated = 0
    /// How often decompressors were called.
    package var inflations = 0

    /// Creates a meter with all counts at zero.
    package init() {}

    /// The most bytes that one call of ``Endpoint/receive(_:at:)`` inflates.
    package static var mostInflatedPerCall: Int { Allotment().inflated }

    /// Checks that the work is at most a constant for each byte that was read or inflated, and for each call.
    ///
    /// - Parameters:
    ///   - read: The bytes that were read.
    ///   - calls: The calls of ``Endpoint/receive(_:at:)`` that read them.
    /// - Returns: A description of what exceeds that; `nil` if nothing does.
    package func excess(read: Int, calls: Int) -> String? {
        let bytes = read + inflated
        // Once when it is assembled, and twice more while the store grows by a factor of two.
        if copied > 3 * bytes + 4096 { return "\(copied) bytes were copied" }
        // The store grows by a factor of two to four times its bytes.
        if allocated > 8 * bytes + 1024 * calls + MemoryPool.minimumSize { return "\(allocated) bytes were allocated" }
        // Each call of zlib uses a byte, fills its room, or is the last one for a frame.
        if inflations > 2 * read + inflated / 16 + 2 * calls { return "zlib was called \(inflations) times" }
        return nil
    }
}
