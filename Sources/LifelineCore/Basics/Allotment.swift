/// The work that one call of ``Endpoint/receive(_:at:)`` may still do before it returns ``Endpoint/Event/inProgress``.
struct Allotment {
    /// The number of frames that give no event, or of final DEFLATE blocks.
    var steps = 256
    /// The number of bytes after decompression.
    var inflated = 64 << 10
    /// The number of bytes before decompression.
    var compressed = 64 << 10

    /// Whether one of the numbers has been used up.
    var isSpent: Bool { steps <= 0 || inflated <= 0 || compressed <= 0 }
}
