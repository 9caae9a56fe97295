import LifelineCore

/// Large messages, received where they are put together. Asked by engines, outside of turns.
extension Connection {
    /// Whether the bytes to come belong to a large message, so that ``directWindow(for:)`` is worth asking.
    @inline(__always)
    package var isInsideLargeFrame: Bool { endpoint.pointee.isInsideLargeFrame }

    /// Where the next bytes may be received so that they are not copied; `nil` where they may be received anywhere. They are
    /// handed over with ``received(_:)``, before anything else happens to the connection.
    package func directWindow(for arrived: Int) -> UnsafeMutableRawBufferPointer? {
        guard !inputIsHeld, borrowed == nil else { return nil }
        return endpoint.pointee.directWindow(for: arrived)
    }
}
