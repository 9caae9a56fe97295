import LifelineCore

/// Times a peer that reads nothing while output waits for it.
///
/// Invariant: ``deadline`` is set only while the transport is full and the WebSocket has not ended.
struct StallTracker {
    /// When the connection is aborted unless the peer has read something; `nil` while the timer is off.
    private(set) var deadline: MonotonicInstant?
    /// The bytes that the transport had written when the wait began.
    private var writtenAtStart = 0

    mutating func start(at now: MonotonicInstant, timeout: Duration, written: Int) {
        deadline = now.advanced(by: timeout)
        writtenAtStart = written
    }

    mutating func stop() {
        deadline = nil
    }

    /// Whether the transport has written something since the wait began.
    func hasProgress(written: Int) -> Bool { written != writtenAtStart }
}
