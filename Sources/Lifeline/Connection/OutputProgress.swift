/// Counts the bytes that a connection has given to its transport, and those the transport has written.
///
/// With TLS, the bytes that are pending include its overhead, so that the number of written bytes is not exact.
struct OutputProgress {
    /// The bytes that the transport has been given.
    private(set) var handedOver = 0
    private var lastPending = 0
    private var lastWritten = 0

    @inline(__always)
    mutating func handOver(_ count: Int) {
        handedOver &+= count
    }

    /// The bytes that have been written, if `pending` have not.
    func written(pending: Int) -> Int { handedOver &- pending }

    /// Records how many bytes the transport has not written.
    ///
    /// - Returns: Whether the peer has read something since the last call. While nothing is pending, the system's buffer takes
    ///   more whether or not the peer reads. When something was pending, more was written because the peer made room, even if
    ///   senders have filled that room again.
    mutating func update(pending: Int) -> Bool {
        let written = written(pending: pending)
        defer { (lastPending, lastWritten) = (pending, written) }
        return lastPending > 0 && written > lastWritten
    }
}
