/// Counts what the core does for what it reads, so that tests and fuzzers can hold it to linear work.
///
/// It hangs on a ``MemoryPool`` (``MemoryPool/meter``), and is told where large things happen only: where bytes are moved,
/// memory comes from the system, or zlib is called.
package final class WorkMeter {
    /// The bytes that were copied from one place in memory to another.
    package var copied = 0
    /// The bytes of memory that came from the system; what a pool has kept does not count.
    package var allocated = 0
    /// The bytes that decompressors have given.
    package var inflated = 0
    /// How often decompressors were called.
    package var inflations = 0

    /// A meter that has seen nothing.
    package init() {}

    /// The most bytes that one call of ``Endpoint/receive(_:at:)`` decompresses to.
    package static var mostInflatedPerCall: Int { Allotment().inflated }

    /// What is more than a constant for each byte that was read or inflated, and for each call; `nil` where nothing is.
    ///
    /// - Parameters:
    ///   - read: The bytes that were read.
    ///   - calls: The calls of ``Endpoint/receive(_:at:)`` that read them.
    package func excess(read: Int, calls: Int) -> String? {
        let bytes = read + inflated
        // Once where it is put together, and twice more while that grows by a factor of two.
        if copied > 3 * bytes + 4096 { return "\(copied) bytes were copied" }
        // Growing by a factor of two to four times the bytes.
        if allocated > 8 * bytes + 1024 * calls + MemoryPool.minimumSize { return "\(allocated) bytes were allocated" }
        // Each call of zlib's uses a byte, or fills the room that it has, or is the last one for its frame.
        if inflations > 2 * read + inflated / 16 + 2 * calls { return "zlib was called \(inflations) times" }
        return nil
    }
}
