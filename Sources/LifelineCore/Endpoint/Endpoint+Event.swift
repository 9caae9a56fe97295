extension Endpoint {
    /// What an ``Endpoint`` has read from its peer.
    ///
    /// Payloads are borrowed: they lie in the caller's buffer or in the endpoint, and are valid until the next call of
    /// ``Endpoint/receive(_:at:)``. Copy a payload to keep it.
    @nonexhaustive(warn)
    public enum Event {
        /// All input has been read; the next event needs more.
        case needsInput
        /// A bounded amount of work was done, and input remains. Call again with it, at once or after serving other connections.
        ///
        /// The remaining input begins where reading stopped, and some of it has been unmasked: pass it in next, in place or copied.
        /// Other methods of the endpoint, such as ``Endpoint/close(_:at:)``, may be called in between.
        case inProgress
        /// A server: a request has arrived and waits for its answer; see ``Endpoint/request``.
        case request
        /// A server: the last request has not been answered. The input remains until it has.
        case awaitsAnswer
        /// A server: a piece of the body of the ``Endpoint/request``, after ``Endpoint/readRequestBody()``.
        case requestBody(UnsafeRawBufferPointer)
        /// A server: the body of the ``Endpoint/request`` is complete.
        case requestBodyEnd
        /// A client: the server agreed, and the connection is open; see ``Endpoint/opening``.
        case opened
        /// A complete message, if ``Endpoint/delivery`` is ``Endpoint/Delivery/messages``.
        case message(MessageKind, UnsafeRawBufferPointer)
        /// A chunk of a message, if ``Endpoint/delivery`` is ``Endpoint/Delivery/chunks``.
        case chunk(MessageKind, UnsafeRawBufferPointer, isFirst: Bool, isLast: Bool)
        /// A Ping with its payload. Its Pong is part of the output.
        case ping(UnsafeRawBufferPointer)
        /// A Pong with its payload, the number of the Ping that it answers, and the round-trip time; both `nil` if it is unsolicited.
        case pong(UnsafeRawBufferPointer, number: UInt64?, roundTrip: Duration?)
        /// A frame's header, before its payload; only if ``Endpoint/reportsFrames`` is set.
        case frame(FrameHeader)
        /// The WebSocket has ended, and ``Endpoint/outcome`` says how. TCP may not have ended yet: see ``Endpoint/transportRequest``.
        case closed
    }

    /// How an endpoint hands out messages.
    public enum Delivery: Sendable {
        /// Whole. A message that came in one piece lies in the caller's buffer; others are assembled first.
        case messages
        /// In chunks, as they arrive.
        case chunks
    }
}
