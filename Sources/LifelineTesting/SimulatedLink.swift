/// The behaviour of one end of a simulated TCP connection.
package struct SimulatedLink: Sendable {
    /// How many bytes a read or a write moves.
    package enum Size: Sendable {
        /// All available bytes.
        case all
        /// At most this many bytes.
        case atMost(Int)
        /// A random number of bytes, from 1 to this many.
        case random(Int)
    }

    /// How long data takes to arrive, in one direction.
    package var latency: Duration
    /// How many written bytes the network and the receiving socket hold.
    package var socketBuffer: Int
    /// How many bytes a read returns.
    package var readSize: Size
    /// How many bytes a write accepts before the socket accepts more later.
    package var writeSize: Size
    /// Whether unread bytes are lost when the peer resets the connection. Otherwise they can still be read, as on
    /// Linux.
    package var resetDropsInput: Bool
    /// Whether a failed write is reported at once and ends the transport. Otherwise the transport continues to read, so
    /// that the peer's last bytes show why the connection ended.
    package var failedWriteEnds: Bool
    /// Whether the transport reports its end some time after the call that ended it, like an engine that waits for the
    /// kernel; otherwise it reports its end during that call.
    package var endsLate: Bool
    /// Whether the transport reads during a flush, as SwiftNIO sometimes does.
    package var readsInsideFlush: Bool
    /// Whether large messages are read directly into the buffer in which they are assembled.
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
