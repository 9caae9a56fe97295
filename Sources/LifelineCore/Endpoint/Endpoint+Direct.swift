/// Receiving without a copy, directly into the memory in which a large message is assembled.
extension Endpoint {
    /// ``directWindow(for:)`` returns a window only while at least so many bytes of a frame are missing.
    ///
    /// For fewer, reading into the caller's buffer is better despite the copy, because it may bring the next frames too.
    public static var minimumDirectSize: Int { 64 << 10 }

    /// Whether ``directWindow(for:)`` returns a window: the endpoint is in the middle of a large, uncompressed data frame, and
    /// assembles its message, because a part of it has arrived before.
    @inline(__always)
    public var isInsideLargeFrame: Bool {
        reader.remaining >= Endpoint.minimumDirectSize && phase == .open && delivery == .messages
            && !reader.isCompressed && !isInsideChunkedMessage && !reportsFrames && !assembly.isEmpty
            && !assemblyIsDelivered
    }

    /// Returns memory to receive the next bytes into, so that they need not be copied.
    ///
    /// Pass the received bytes to ``receive(_:at:)`` where they lie, from the window's first byte on; the events are the same as from
    /// any other memory. The window is valid until the endpoint changes in any way. Ask for another one after that.
    ///
    /// The memory grows with what has arrived, to a few times as much at most, whatever length the frame's header announces.
    ///
    /// - Parameter arrived: How many bytes are known to have arrived and can be received at once.
    /// - Returns: Room for those of the bytes that belong to the current frame, at most 16 MiB; `nil` if the bytes must be received
    ///   into the caller's own buffer.
    public mutating func directWindow(for arrived: Int) -> UnsafeMutableRawBufferPointer? {
        guard arrived > 0, isInsideLargeFrame else { return nil }
        return assembly.room(for: min(arrived, reader.remaining, MemoryPool.maximumSize), of: reader.remaining)
    }
}
