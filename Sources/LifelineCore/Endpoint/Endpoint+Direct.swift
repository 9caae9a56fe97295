/// Receiving without a copy: straight into the memory in which a large message is put together.
extension Endpoint {
    /// The fewest bytes of a frame that must be outstanding for a window.
    ///
    /// For fewer, a read into the caller's buffer, which may bring the next frames too, is worth its copy.
    public static var minimumDirectSize: Int { 64 << 10 }

    /// Whether ``directWindow(for:)`` would give one: the endpoint is in the middle of a large data frame that is not
    /// compressed, the message of which is put together here, since some of it has arrived before.
    @inline(__always)
    public var isInsideLargeFrame: Bool {
        reader.remaining >= Endpoint.minimumDirectSize && phase == .open && delivery == .messages
            && !reader.isCompressed && !isInsideChunkedMessage && !reportsFrames && !assembly.isEmpty
            && !assemblyIsDelivered
    }

    /// Memory into which the next bytes may be received, so that they need not be copied there.
    ///
    /// The bytes are passed to ``receive(_:at:)`` as any others are, where they lie, from the window's first byte on; the
    /// events are the same. The window is valid until the endpoint is changed in any way; whoever has not filled it by then
    /// asks for another.
    ///
    /// Memory is made for what has arrived, and for a few times as much at most, whatever length the frame's header
    /// announces.
    ///
    /// - Parameter arrived: How many bytes are known to have arrived, and can be received at once.
    /// - Returns: Room for all of those that belong to the frame being read, or for 16 MiB of them, and for none behind it; `nil`
    ///   where bytes are to be received into the caller's own buffer.
    public mutating func directWindow(for arrived: Int) -> UnsafeMutableRawBufferPointer? {
        guard arrived > 0, isInsideLargeFrame else { return nil }
        return assembly.room(for: min(arrived, reader.remaining, MemoryPool.maximumSize), of: reader.remaining)
    }
}
