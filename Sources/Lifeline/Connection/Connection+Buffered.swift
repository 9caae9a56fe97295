extension Connection {
    /// The bytes that wait to be sent: in this turn's output, in the transport, and in messages that wait for a fragmented one
    /// to end; on the loop.
    var bufferedBytes: Int {
        (isDirty ? output.count : 0) + (transport?.pendingBytes ?? 0) + outbox.payloadSize
    }
}
