import LifelineCore

/// Lets an engine read large messages directly into the buffer in which they are assembled. Engines call it outside of
/// turns.
extension Connection {
    /// Whether the next bytes belong to a large frame, so that ``directWindow(for:)`` may return a buffer.
    @inline(__always)
    package var isInsideLargeFrame: Bool { endpoint.pointee.isInsideLargeFrame }

    /// Returns the buffer into which the engine should read the next bytes to avoid a copy; `nil` if it may read them
    /// anywhere. The engine must pass these bytes to ``received(_:)`` before anything else happens to the connection.
    package func directWindow(for arrived: Int) -> UnsafeMutableRawBufferPointer? {
        guard !inputIsHeld, borrowed == nil else { return nil }
        return endpoint.pointee.directWindow(for: arrived)
    }
}
