/// How one side of a simulated TCP connection behaves.
package struct SimulatedLink: Sendable {
    /// How many bytes a read or a write moves.
    package enum Size: Sendable {
        /// All that are there.
        case all
        /// At most this many.
        case atMost(Int)
        /// A random number, at most this many.
        case random(Int)
    }

    /// How long everything is on its way.
    package var latency: Duration
    /// What the network and the receiving socket hold of what one side has written.
    package var socketBuffer: Int
    /// How many bytes a read brings.
    package var readSize: Size
    /// How many bytes a write takes before the socket takes more in its own time.
    package var writeSize: Size
    /// Whether what has not been read is lost where the peer resets the connection; otherwise it is read before, as
    /// Linux has it.
    package var resetDropsInput: Bool
    /// Whether a write that fails is reported at once and ends the transport; otherwise it reads on, and what the peer had
    /// to say tells how it ended.
    package var failedWriteEnds: Bool
    /// Whether the transport reports its end some time after the call that ended it, as an engine does that waits for its
    /// kernel, or from inside that call.
    package var endsLate: Bool
    /// Whether the transport reads from inside of a flush, as SwiftNIO does in some.
    package var readsInsideFlush: Bool
    /// Whether large messages are received where they are put together.
    package var receivesDirectly: Bool

    package init(
        latency: Duration = .zero, socketBuffer: Int = 64 << 10, readSize: Size = .all, writeSize: Size = .all,
        resetDropsInput: Bool = true, failedWriteEnds: Bool = false, endsLate: Bool = false,
        readsInsideFlush: Bool = false, receivesDirectly: Bool = false
    ) {
        self.latency = latency
        self.socketBuffer = socketBuffer
        self.readSize = readSize
        self.writeSize = writeSize
        self.resetDropsInput = resetDropsInput
        self.failedWriteEnds = failedWriteEnds
        self.endsLate = endsLate
        self.readsInsideFlush = readsInsideFlush
        self.receivesDirectly = receivesDirectly
    }
}
