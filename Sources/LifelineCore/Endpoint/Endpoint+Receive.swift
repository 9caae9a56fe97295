/// Receiving ([RFC 6455 §6.2](https://www.rfc-editor.org/rfc/rfc6455#section-6.2)).
extension Endpoint {
    /// Reads frames up to the next event.
    @inline(__always)
    mutating func receiveFrames(_ input: inout ReadBuffer, at now: MonotonicInstant) -> Endpoint.Event {
        var allotment = Allotment()
        do throws(ProtocolViolation) {
            while true {
                if !reader.isInsideFrame {
                    guard try reader.readHeader(&input) else { return .needsInput }
                    frameIsReported = false
                }
                if reportsFrames, !frameIsReported {
                    frameIsReported = true
                    return .frame(reader.header)
                }
                let event =
                    if reader.opcode.isControl {
                        try receiveControl(&input, at: now)
                    } else if reader.isCompressed {
                        try receiveCompressed(&input, &allotment, at: now)
                    } else {
                        try receiveData(&input)
                    }
                if let event { return event }
                if input.isEmpty {
                    if reader.remaining > 0 { return .needsInput }
                } else {
                    allotment.steps &-= 1
                    if allotment.isSpent { return .inProgress }
                }
            }
        } catch {
            return fail(error, at: now)
        }
    }

    // MARK: Data

    /// Reads the part of a data frame's payload that has arrived.
    ///
    /// - Returns: An event, or `nil` if the frame or the message continues.
    @inline(__always)
    private mutating func receiveData(_ input: inout ReadBuffer) throws(ProtocolViolation) -> Endpoint.Event? {
        let kind = reader.messageKind.unsafelyUnwrapped
        let payload =
            kind == .text ? try reader.readText(&input, &validator) : reader.readPayload(&input)
        let endsMessage = reader.isFinal && !reader.isInsideFrame
        if kind == .text, endsMessage, !validator.isAtBoundary { throw .invalidUTF8 }
        if endsMessage { reader.endMessage() }

        if delivery == .messages, !isInsideChunkedMessage {
            // A message that came in one piece is handed out in place.
            if endsMessage, assembly.isEmpty { return .message(kind, payload) }
            if let base = payload.baseAddress {
                assembly.append(base, count: payload.count, expecting: reader.remaining)
            }
            guard endsMessage else { return nil }
            assemblyIsDelivered = true
            return .message(kind, UnsafeRawBufferPointer(assembly.bytes))
        }
        return chunk(kind, payload, endsMessage: endsMessage)
    }

    /// Returns the chunk of a message that has just come; `nil` if it is empty and not the last.
    private mutating func chunk(
        _ kind: MessageKind, _ payload: UnsafeRawBufferPointer, endsMessage: Bool
    ) -> Endpoint.Event? {
        var payload = payload
        if !assembly.isEmpty {
            // The message was being assembled when the driver asked for chunks.
            if let base = payload.baseAddress { assembly.append(base, count: payload.count) }
            assemblyIsDelivered = true
            payload = UnsafeRawBufferPointer(assembly.bytes)
        }
        guard !payload.isEmpty || endsMessage else { return nil }
        let isFirst = !isInsideChunkedMessage
        isInsideChunkedMessage = !endsMessage
        return .chunk(kind, payload, isFirst: isFirst, isLast: endsMessage)
    }

    // MARK: Control

    /// Reads a control frame, and acts upon it once its payload is complete.
    private mutating func receiveControl(
        _ input: inout ReadBuffer, at now: MonotonicInstant
    ) throws(ProtocolViolation) -> Endpoint.Event? {
        var payload = reader.readPayload(&input)
        if reader.isInsideFrame || coldState?.controlPayload.isEmpty == false {
            if let base = payload.baseAddress { makeColdState().controlPayload.append(base, count: payload.count) }
            guard !reader.isInsideFrame else { return nil }
            controlPayloadIsDelivered = true
            payload = UnsafeRawBufferPointer(makeColdState().controlPayload.bytes)
        }
        switch reader.opcode {
        case .ping:
            // Nothing is sent after a Close frame (§5.5.1).
            if closeSent == nil {
                var pong = ByteStore()
                if let base = payload.baseAddress { pong.append(base, count: payload.count) }
                makeColdState().control.pong = consume pong
            }
            return .ping(payload)
        case .pong:
            let answered = heartbeat.pong(payload, at: now)
            if let answered { roundTripTime = answered.roundTrip }
            return .pong(payload, number: answered?.number, roundTrip: answered?.roundTrip)
        default:
            receiveClose(try CloseFrame(payload: payload), at: now)
            return .closed
        }
    }
}
