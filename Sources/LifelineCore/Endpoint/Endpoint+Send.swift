/// Sending ([RFC 6455 §6.1](https://www.rfc-editor.org/rfc/rfc6455#section-6.1)).
extension Endpoint {
    /// Returns the header of the next data frame. The caller must write it, and the payload after it.
    ///
    /// - Parameters:
    ///   - kind: The message's kind. The text of all frames of a message together must be UTF-8; the endpoint does not check it.
    ///   - position: The frame's position in its message. Control frames may be sent between fragments, other messages may not
    ///     (§5.4).
    ///   - payloadLength: The payload's length in bytes.
    ///   - isCompressed: Whether the payload is what ``compress(_:_:_:at:)`` returned.
    ///   - random: The source of a client's masking key.
    /// - Throws: ``SendError`` if the connection is not open, or the position does not fit the frame sent before.
    @inline(__always)
    public mutating func dataFrame(
        _ kind: MessageKind, _ position: FragmentPosition = .only, payloadLength: Int, isCompressed: Bool = false,
        random: inout RandomPool
    ) throws(Endpoint.SendError) -> EncodedFrameHeader {
        guard phase == .open else { throw .notOpen }
        let isFirst = position == .only || position == .first
        guard isFirst != isSendingFragments else { throw isFirst ? .insideMessage : .noMessage }
        let isLast = position == .only || position == .last
        isSendingFragments = !isLast
        return EncodedFrameHeader(
            FrameHeader(
                opcode: isFirst ? kind.opcode : .continuation, isFinal: isLast, rsv1: isCompressed && isFirst,
                maskingKey: maskingKey(&random), payloadLength: UInt64(clamping: payloadLength)))
    }

    /// Writes a whole message as one frame, if this is a server without compression and the payload has at most 125 bytes: the fast
    /// path of ``dataFrame(_:_:payloadLength:isCompressed:random:)``.
    ///
    /// - Parameter target: Room for the payload and sixteen more bytes.
    /// - Returns: The number of bytes of the frame; 0 if nothing has been written and the slow path is needed.
    package func writeShortMessage(
        _ kind: MessageKind, _ payload: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer
    ) -> Int {
        guard phase == .open, role == .server, !isSendingFragments, compression == nil, payload.count <= 125,
            let base = payload.baseAddress
        else { return 0 }
        target.storeBytes(of: 0x80 | kind.opcode.rawValue, as: UInt8.self)
        target.storeBytes(of: UInt8(truncatingIfNeeded: payload.count), toByteOffset: 1, as: UInt8.self)
        (target + 2).copyMemory(from: base, byteCount: payload.count)
        return payload.count &+ 2
    }

    /// Adds a Ping (§5.5.2) to the output.
    ///
    /// If an earlier Ping has not been written yet, this one replaces it, and its Pong answers both.
    ///
    /// - Returns: The Ping's number, which the ``Endpoint/Event/pong(_:number:roundTrip:)`` that answers it has too.
    /// - Throws: ``SendError/notOpen``, or ``SendError/tooManyPings`` if 64 Pings wait for their Pongs.
    @discardableResult
    public mutating func ping(at now: MonotonicInstant) throws(Endpoint.SendError) -> UInt64 {
        guard phase == .open else { throw .notOpen }
        guard let number = heartbeat.ping(at: now) else { throw .tooManyPings }
        makeColdState().control.ping = number
        return number
    }

    /// Whether ``drainOutput(random:_:)`` has bytes to hand out.
    @inline(__always)
    public var hasOutput: Bool {
        coldState?.control.isEmpty == false || handshake?.output.isEmpty == false
    }

    /// Whether a head of the opening handshake waits to be written. Data frames must not overtake it.
    package var hasHeadOutput: Bool { handshake?.output.isEmpty == false }

    /// Hands out the heads of the opening handshake and the control frames that wait to be written, in order.
    ///
    /// A driver whose transport takes no more bytes may call this later. The endpoint keeps only the latest control frame of each kind,
    /// so their memory is bounded however long they wait.
    ///
    /// - Parameters:
    ///   - random: The source of a client's masking keys.
    ///   - write: Called for each head and frame. Its bytes are valid during the call only.
    public mutating func drainOutput(random: inout RandomPool, _ write: (UnsafeRawBufferPointer) -> Void) {
        if let handshake, !handshake.output.isEmpty {
            handshake.output.withUnsafeBytes(write)
            handshake.output = []
            if phase == .open { self.handshake = nil }
        }
        guard let coldState else { return }
        if let pong = coldState.control.pong.take() {
            writeControl(.pong, UnsafeRawBufferPointer(pong.bytes), &random, write)
        }
        if let number = coldState.control.ping.take() {
            var payload = number.bigEndian
            withUnsafeBytes(of: &payload) { writeControl(.ping, $0, &random, write) }
        }
        if let close = coldState.control.close.take() {
            close.payload.withUnsafeBytes { writeControl(.close, $0, &random, write) }
        }
        releaseColdState()
    }

    private func writeControl(
        _ opcode: Opcode, _ payload: UnsafeRawBufferPointer, _ random: inout RandomPool,
        _ write: (UnsafeRawBufferPointer) -> Void
    ) {
        let header = EncodedFrameHeader(
            FrameHeader(opcode: opcode, maskingKey: maskingKey(&random), payloadLength: UInt64(payload.count)))
        withUnsafeTemporaryAllocation(byteCount: 16 + payload.count, alignment: 8) { frame in
            let count = header.write(payload, to: frame.baseAddress.unsafelyUnwrapped)
            write(UnsafeRawBufferPointer(start: frame.baseAddress, count: count))
        }
    }

    /// Returns a fresh key for a client's frame (§5.3), and `nil` for a server's.
    @inline(__always)
    private func maskingKey(_ random: inout RandomPool) -> MaskingKey? {
        role == .client ? MaskingKey(word: random.nextUInt32()) : nil
    }
}
