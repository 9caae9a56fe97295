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
}
