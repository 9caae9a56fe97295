extension Connection {
    /// The number of bytes that wait to be sent: in this turn's output, in the transport, and in messages that wait for
    /// a fragmented message to end; on the loop.
    var bufferedBytes: Int {
        (isDirty ? output.count : 0) + (transport?.pendingBytes ?? 0) + outbox.payloadSize
    }
}
