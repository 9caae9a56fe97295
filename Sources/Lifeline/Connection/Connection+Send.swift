import LifelineCore
import NIOCore

/// From whoever sends to the output.
extension Connection {
    /// The bytes of output at which a turn does not wait for its end to write: what is held back here is not yet known to
    /// the transport, and so to nobody who asks whether it is writable.
    private var maximumCorkedSize: Int { min(64 << 10, limits.outbound.high) }

    /// Whether a send may go ahead: the transport takes more, and nothing waits before it.
    @inline(__always)
    func canSend(_ position: FragmentPosition = .only) -> Bool {
        isWritable && outbox.isEmpty
            && (endpoint.pointee.isSendingFragments == (position == .middle || position == .last))
    }

    /// Writes a frame whose payload is borrowed.
    @inline(__always)
    func write(
        _ kind: MessageKind, _ position: FragmentPosition, _ payload: UnsafeRawBufferPointer,
        _ compress: MessageCompression = .automatic
    ) throws(Endpoint.SendError) {
        if position == .only, payload.count <= 125, !isObserved {
            markDirty()
            let count = endpoint.pointee.writeShortMessage(kind, payload, to: output.reserve(payload.count &+ 16))
            if count > 0 {
                output.advance(by: count)
                if output.count >= maximumCorkedSize { flush() }
                return
            }
        }
        if endpoint.pointee.compresses, try writeCompressed(kind, position, payload, compress) { return }
        try writeAny(kind, position, payload)
    }

    /// Writes a frame compressed, where that is agreed and worth it.
    ///
    /// - Returns: Whether it has been written.
    private func writeCompressed(
        _ kind: MessageKind, _ position: FragmentPosition, _ payload: UnsafeRawBufferPointer,
        _ compress: MessageCompression
    ) throws(Endpoint.SendError) -> Bool {
        let compressed = endpoint.pointee.compress(payload, position, compress, at: loop.driver.tickTime)
        guard let compressed else { return false }
        let header = try endpoint.pointee.dataFrame(
            kind, position, payloadLength: compressed.count, isCompressed: true, random: &loop.random)
        if isObserved { observeSent(kind, position, payload, compressedLength: compressed.count) }
        compressed.withUnsafeBytes { writeBorrowed(header, $0) }
        setDeadline()
        return true
    }

    private func writeAny(
        _ kind: MessageKind, _ position: FragmentPosition, _ payload: UnsafeRawBufferPointer
    ) throws(Endpoint.SendError) {
        let header = try endpoint.pointee.dataFrame(
            kind, position, payloadLength: payload.count, random: &loop.random)
        if isObserved { observeSent(kind, position, payload) }
        writeBorrowed(header, payload)
    }

    /// Writes a header and its payload.
    private func writeBorrowed(_ header: EncodedFrameHeader, _ payload: UnsafeRawBufferPointer) {
        if payload.count >= separatePayloadSize, header.maskingKey == nil {
            append(header, UnsafeRawBufferPointer(start: nil, count: 0))
            return writeSeparately(payload.count) { $0.write(lent: payload) }
        }
        append(header, payload)
        if output.count >= maximumCorkedSize { flush() }
    }

    /// Writes a frame that owns its payload.
    func write(_ frame: OutboundFrame) throws(Endpoint.SendError) {
        if let prepared = frame.prepared { return try write(prepared) }
        guard frame.payload.readableBytes >= separatePayloadSize, endpoint.pointee.role == .server else {
            return try withBytes(of: frame.payload) { (bytes) throws(Endpoint.SendError) in
                try write(frame.kind, frame.position, bytes, frame.compress)
            }
        }
        if endpoint.pointee.compresses {
            let isWritten = try withBytes(of: frame.payload) { (bytes) throws(Endpoint.SendError) in
                try writeCompressed(frame.kind, frame.position, bytes, frame.compress)
            }
            if isWritten { return }
        }
        let header = try endpoint.pointee.dataFrame(
            frame.kind, frame.position, payloadLength: frame.payload.readableBytes, random: &loop.random)
        if isObserved {
            frame.payload.withUnsafeReadableBytes { observeSent(frame.kind, frame.position, $0) }
        }
        writeOwned(header, frame.payload)
    }

    /// Writes a message that goes to many connections.
    func write(_ message: PreparedMessage) throws(Endpoint.SendError) {
        guard let wire = message.compressed(for: endpoint) else {
            return try write(
                OutboundFrame(kind: message.kind, position: .only, payload: message.payload, compress: .never))
        }
        let header = try endpoint.pointee.dataFrame(
            message.kind, .only, payloadLength: wire.readableBytes, isCompressed: true, random: &loop.random)
        message.payload.withUnsafeReadableBytes { plain in
            endpoint.pointee.noteSentCompressed(plain, wireSize: wire.readableBytes)
            if isObserved { observeSent(message.kind, .only, plain, compressedLength: wire.readableBytes) }
        }
        if wire.readableBytes >= separatePayloadSize, header.maskingKey == nil {
            writeOwned(header, wire)
        } else {
            wire.withUnsafeReadableBytes { writeBorrowed(header, $0) }
        }
    }

    /// Writes a header and a payload that the transport may keep.
    private func writeOwned(_ header: EncodedFrameHeader, _ payload: ByteBuffer) {
        append(header, UnsafeRawBufferPointer(start: nil, count: 0))
        writeSeparately(payload.readableBytes) { $0.write(payload) }
    }

    /// Calls a function with the bytes of a buffer that outlives the call.
    private func withBytes<Value>(
        of buffer: ByteBuffer, _ body: (UnsafeRawBufferPointer) throws(Endpoint.SendError) -> Value
    ) throws(Endpoint.SendError) -> Value {
        let result = buffer.withUnsafeReadableBytes { bytes -> Result<Value, Endpoint.SendError> in
            do throws(Endpoint.SendError) {
                return .success(try body(bytes))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Writes a payload behind what has gathered, from where it lies.
    private func writeSeparately(_ count: Int, _ write: (any Transport) -> Void) {
        // Flushed at once: behind TLS, what is only written counts for nothing when one asks whether there is room.
        handOver()
        handedOver &+= count
        callTransport { transport in
            write(transport)
            transport.flush()
        }
    }

    // MARK: Output

    /// Puts a frame behind those that wait for the end of the turn.
    @inline(__always)
    private func append(_ header: EncodedFrameHeader, _ payload: UnsafeRawBufferPointer) {
        markDirty()
        // A header is written as sixteen bytes, of which the payload overwrites those it has not.
        let target = output.reserve(payload.count &+ 16)
        output.advance(by: header.write(payload, to: target))
    }

    @inline(__always)
    private func markDirty() {
        guard !isDirty else { return }
        isDirty = true
        output = loop.takeBlock()
        queue()
    }

    /// What has gathered, which is no longer the connection's then.
    @inline(__always)
    func takeOutput() -> OutputBlock? {
        guard isDirty else { return nil }
        isDirty = false
        let block = output
        output = .none
        return block
    }

    /// Hands much output to the transport before the turn ends.
    ///
    /// - Returns: Whether the transport takes more.
    func relieveOutput() -> Bool {
        if isDirty, output.count >= maximumCorkedSize { flush() }
        return isWritable
    }

    private func handOver() {
        guard let block = takeOutput() else { return }
        hand(block)
    }

    @inline(__always)
    private func hand(_ block: OutputBlock) {
        handedOver &+= block.count
        // It is empty where a message turned out not to be sendable.
        guard transport != nil, block.count > 0 else { return loop.recycle(block) }
        callTransport { $0.write(block) }
    }

    /// Writes the heads and control frames that wait, if the transport takes them.
    func drainControl() {
        // What does not fit now waits in the endpoint, the latest of each kind, and not here, where it would pile up.
        // A head goes out all the same: there is only one at a time, and frames must not overtake it.
        guard endpoint.pointee.hasOutput, transport != nil, isWritable || endpoint.pointee.hasHeadOutput else {
            return
        }
        markDirty()
        if isObserved { observeControl() }
        endpoint.pointee.drainOutput(random: &loop.random) { output.append($0) }
    }

    /// Writes all output.
    @inline(__always)
    func flush() {
        guard let block = takeOutput() else { return }
        hand(block)
        callTransport { $0.flush() }
    }

    // MARK: Senders that do not wait

    /// Writes a message now, whatever waits, unless too much does.
    ///
    /// - Returns: Whether the transport takes more.
    @inline(__always)
    func enqueue(
        _ kind: MessageKind, _ payload: UnsafeRawBufferPointer, _ compress: MessageCompression = .automatic
    ) throws(Endpoint.SendError) -> Bool {
        if mustWaitForFragments {
            try enqueueInOutbox(
                OutboundFrame(kind: kind, position: .only, payload: ByteBuffer(bytes: payload), compress: compress))
        } else {
            try write(kind, .only, payload, compress)
            if isWritable { return true }
        }
        noteUnwritten(payload.count)
        return false
    }

    /// The same with a message that goes to many.
    func enqueue(_ message: PreparedMessage) throws(Endpoint.SendError) -> Bool {
        if mustWaitForFragments {
            try enqueueInOutbox(OutboundFrame(message))
        } else {
            try write(message)
            if isWritable { return true }
        }
        noteUnwritten(message.payload.readableBytes)
        return false
    }

    /// Writes a message now, and says whether it goes out; `false` where the connection is closing.
    @inline(__always)
    func canEnqueue(_ kind: MessageKind, _ payload: UnsafeRawBufferPointer) -> Bool {
        do throws(Endpoint.SendError) {
            _ = try enqueue(kind, payload)
            return true
        } catch {
            return false
        }
    }

    /// The same with a message that goes to many.
    func canEnqueue(_ message: PreparedMessage) -> Bool {
        do throws(Endpoint.SendError) {
            _ = try enqueue(message)
            return true
        } catch {
            return false
        }
    }

    /// Whether a message has to wait for the end of the fragmented one that is being sent.
    @inline(__always)
    private var mustWaitForFragments: Bool { endpoint.pointee.isSendingFragments || outbox.unawaitedSize > 0 }

    /// The peer does not read, and the sender does not wait: somebody has to bound what piles up.
    private func noteUnwritten(_ count: Int) {
        // Compares what was queued before this message, so that one message of any size can be sent.
        let isTooMuch = unwritten > limits.maximumOutbound
        unwritten += count + Outbox.overhead
        if isTooMuch { giveUpSlowPeer() }
    }

    /// Keeps a message for the end of the fragmented one that is being sent, and of those that wait for it already.
    private func enqueueInOutbox(_ frame: OutboundFrame) throws(Endpoint.SendError) {
        guard endpoint.pointee.phase == .open else { throw .notOpen }
        outbox.append(Outbox.Item(frame: frame, waiter: nil))
    }

    private func giveUpSlowPeer() {
        endpoint.pointee.abort(
            "the peer does not read: more than \(limits.maximumOutbound) bytes wait (maximumOutbound)")
        // At the end of the turn: the sender may be another connection's handler, in the middle of something.
        queue()
    }

    // MARK: Senders that wait

    /// Sends a frame once the transport takes more, or resumes once it does where there is no frame; on the loop.
    func submit(_ frame: OutboundFrame?, _ wait: Wait, _ completion: Outbox.Completion) {
        if wait.isCancelled { return completion.resume(returning: .failure(.cancelled)) }
        outbox.append(Outbox.Item(frame: frame, waiter: Outbox.Waiter(wait: wait, completion: completion)))
        let unawaited = outbox.unawaitedSize
        sendWaiting()
        // Who was told that the transport is full, because of a fragmented message that has ended now, is told.
        if unawaited > 0, outbox.unawaitedSize == 0, case .handler(let handler) = receiver { handler.writable() }
    }

    /// Sends what waits, for as long as the transport takes more.
    func sendWaiting() {
        while endpoint.pointee.phase == .open, isWritable,
            let item = outbox.popFirst(insideMessage: endpoint.pointee.isSendingFragments)
        {
            unwritten -= item.unawaitedSize
            var result: Result<Void, WebSocketError> = .success(())
            if let frame = item.frame {
                do throws(Endpoint.SendError) {
                    try write(frame)
                } catch {
                    result = .failure(WebSocketError(error, outcome: outcome))
                }
            }
            item.waiter?.completion.resume(returning: result)
        }
        if endpoint.pointee.phase != .open { failWaiting(.closed(outcome)) }
    }

    /// Tells those who wait that nothing more will be sent.
    func failWaiting(_ error: WebSocketError) {
        for item in outbox.removeAll() { item.waiter?.completion.resume(returning: .failure(error)) }
        unwritten = 0
    }

    func cancelSend(_ wait: Wait) {
        outbox.remove(wait)?.waiter?.completion.resume(returning: .failure(.cancelled))
    }
}
