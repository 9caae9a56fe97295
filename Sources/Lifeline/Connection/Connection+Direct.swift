import LifelineCore

/// Lets engines receive large messages straight into the memory in which they are assembled. Called outside of turns.
extension Connection {
    /// Whether the next bytes belong to a large message, so that ``directWindow(for:)`` may return memory.
    @inline(__always)
    package var isInsideLargeFrame: Bool { endpoint.pointee.isInsideLargeFrame }

    /// Returns memory into which to receive the next bytes so that they are not copied, or `nil` to receive them anywhere. The
    /// engine passes the bytes to ``received(_:)`` before it does anything else with the connection.
    package func directWindow(for arrived: Int) -> UnsafeMutableRawBufferPointer? {
        guard !inputIsHeld, borrowed == nil else { return nil }
        return endpoint.pointee.directWindow(for: arrived)
    }
}
