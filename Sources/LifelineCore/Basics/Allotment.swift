/// The work that one call of ``Endpoint/receive(_:at:)`` may do before it lets others have their turn.
struct Allotment {
    /// How many more frames that give no event, or final blocks of DEFLATE, are read.
    var steps = 256
    /// How many more bytes are decompressed to.
    var inflated = 64 << 10
    /// How many more bytes are decompressed.
    var compressed = 64 << 10

    /// Whether any of it has been used up.
    var isSpent: Bool { steps <= 0 || inflated <= 0 || compressed <= 0 }
}
