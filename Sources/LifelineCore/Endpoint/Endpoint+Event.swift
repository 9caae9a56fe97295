extension Endpoint {
    /// What an ``Endpoint`` read from its peer.
    ///
    /// Payloads are borrowed: they lie in the caller's buffer or in the endpoint, and are valid until the endpoint's next
    /// `receive`. Whoever wants to keep one copies it.
    public enum Event {
        /// All input has been read, and nothing more can be told without more of it.
        case needsInput
        /// A bounded amount of work was done, and input is left: call again with it, at once or after other connections have had
        /// their turn.
        ///
        /// What is left begins where reading stopped, and some of it has been unmasked: it must be passed in as it lies there, or
        /// as a copy of that, before anything else. Nothing is lost where the endpoint is told to close or the like meanwhile.
        case inProgress
        /// A server: a request has arrived; ``Endpoint/request`` is it, and it waits for its answer.
        case request
        /// A server: the request before has not been answered. Input is left as it is until then.
        case awaitsAnswer
        /// A client: the server agreed, and the connection is open; see ``Endpoint/opening``.
        case opened
        /// A complete message, where ``Endpoint/delivery`` is ``Endpoint/Delivery/messages``.
        case message(MessageKind, UnsafeRawBufferPointer)
        /// A part of a message, where ``Endpoint/delivery`` is ``Endpoint/Delivery/chunks``.
        case chunk(MessageKind, UnsafeRawBufferPointer, isFirst: Bool, isLast: Bool)
        /// A Ping with its payload. Its Pong waits to be drained.
        case ping(UnsafeRawBufferPointer)
        /// A Pong with its payload, and which Ping it answers, and how long that took; `nil` for an unsolicited one.
        case pong(UnsafeRawBufferPointer, number: UInt64?, roundTrip: Duration?)
        /// A frame's header, before its payload; only where ``Endpoint/reportsFrames`` is set.
        case frame(FrameHeader)
        /// The WebSocket is over, and ``Endpoint/outcome`` says how. TCP may have to be ended yet.
        case closed
    }

    /// How an endpoint hands out messages.
    public enum Delivery: Sendable {
        /// Whole: a message that came in one piece lies in the caller's buffer, another is put together first.
        case messages
        /// In parts, as they arrive.
        case chunks
    }
}
