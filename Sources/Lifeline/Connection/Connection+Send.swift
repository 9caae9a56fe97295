import DequeModule
import LifelineCore
import NIOCore

/// The outbound path, in four stages:
///
/// 1. `enqueue`, `submit` and `canSend` decide whether a message goes out now or waits in the outbox.
/// 2. `sendFrame` and `sendPrepared` choose between compressed and uncompressed, and have the endpoint make the header.
/// 3. `appendFrame` adds the frame to the output block, or only its header if the payload is large.
/// 4. `writeToTransport`, `writePayloadToTransport` and `flush` give output to the transport.
extension Connection {
    /// The bytes of output at which a turn writes before its end. The transport does not know of output that is held back here,
    /// so ``isWritable`` does not reflect it.
    private var maximumCorkedSize: Int { min(64 << 10, limits.outbound.high) }

    /// Whether a send may go ahead: the transport has room, and no other send waits.
    @inline(__always)
    func canSend(_ position: FragmentPosition = .only) -> Bool {
        isWritable && outbox.isEmpty
            && (endpoint.pointee.isSendingFragments == (position == .middle || position == .last))
    }

    /// Sends a frame whose payload is borrowed.
    @inline(__always)
    func sendFrame(
        _ kind: MessageKind, _ position: FragmentPosition, _ payload: UnsafeRawBufferPointer,
        _ compress: MessageCompression = .automatic
    ) throws(Endpoint.SendError) {
        if position == .only, payload.count <= 125, !isObserved {
            markDirty()
            let count = endpoint.pointee.writeShortMessage(kind, payload, to: output.reserve(payload.count &+ 16))
            if count > 0 {
                output.advance(by: count)
                countSent(kind, .only, payload.count)
                if output.count >= maximumCorkedSize { flush() }
                return
            }
        }
        if endpoint.pointee.compresses, try sendCompressed(kind, position, payload, compress) { return }
        try sendUncompressed(kind, position, payload)
    }

    /// Sends a frame compressed if that has been negotiated and is worth it.
    ///
    /// - Returns: Whether it has been sent.
    private func sendCompressed(
        _ kind: MessageKind, _ position: FragmentPosition, _ payload: UnsafeRawBufferPointer,
        _ compress: MessageCompression
    ) throws(Endpoint.SendError) -> Bool {
        let compressed = endpoint.pointee.compress(payload, position, compress, at: loop.driver.tickTime)
        guard let compressed else { return false }
        let header = try endpoint.pointee.dataFrame(
            kind, position, payloadLength: compressed.count, isCompressed: true, random: &loop.random)
        countSent(kind, position, payload.count)
        if isObserved { observeSent(kind, position, payload, compressedLength: compressed.count) }
        compressed.withUnsafeBytes { appendFrame(header, borrowing: $0) }
        setDeadline()
        return true
    }

    private func sendUncompressed(
        _ kind: MessageKind, _ position: FragmentPosition, _ payload: UnsafeRawBufferPointer
    ) throws(Endpoint.SendError) {
        let header = try endpoint.pointee.dataFrame(
            kind, position, payloadLength: payload.count, random: &loop.random)
        countSent(kind, position, payload.count)
        if isObserved { observeSent(kind, position, payload) }
        appendFrame(header, borrowing: payload)
    }

    /// Sends a frame that owns its payload.
    func sendFrame(_ frame: OutboundFrame) throws(Endpoint.SendError) {
        if let prepared = frame.prepared { return try sendPrepared(prepared) }
        guard frame.payload.readableBytes >= separatePayloadSize, endpoint.pointee.role == .server else {
            return try withBytes(of: frame.payload) { (bytes) throws(Endpoint.SendError) in
                try sendFrame(frame.kind, frame.position, bytes, frame.compress)
            }
        }
        if endpoint.pointee.compresses {
            let isSent = try withBytes(of: frame.payload) { (bytes) throws(Endpoint.SendError) in
                try sendCompressed(frame.kind, frame.position, bytes, frame.compress)
            }
            if isSent { return }
        }
        let header = try endpoint.pointee.dataFrame(
            frame.kind, frame.position, payloadLength: frame.payload.readableBytes, random: &loop.random)
        countSent(frame.kind, frame.position, frame.payload.readableBytes)
        if isObserved {
            frame.payload.withUnsafeReadableBytes { observeSent(frame.kind, frame.position, $0) }
        }
        appendFrame(header, owning: frame.payload)
    }

    /// Sends a message that goes to many connections.
    func sendPrepared(_ message: PreparedMessage) throws(Endpoint.SendError) {
        guard let wire = message.compressed(for: endpoint) else {
            return try sendFrame(
                OutboundFrame(kind: message.kind, position: .only, payload: message.payload, compress: .never))
        }
        let header = try endpoint.pointee.dataFrame(
            message.kind, .only, payloadLength: wire.readableBytes, isCompressed: true, random: &loop.random)
        countSent(message.kind, .only, message.payload.readableBytes)
        message.payload.withUnsafeReadableBytes { plain in
            endpoint.pointee.noteSentCompressed(plain, wireSize: wire.readableBytes)
            if isObserved { observeSent(message.kind, .only, plain, compressedLength: wire.readableBytes) }
        }
        if wire.readableBytes >= separatePayloadSize, header.maskingKey == nil {
            appendFrame(header, owning: wire)
        } else {
            wire.withUnsafeReadableBytes { appendFrame(header, borrowing: $0) }
        }
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

    // MARK: Output

    /// Adds a frame to the output block. A large unmasked payload is not copied there, but written to the transport.
    private func appendFrame(_ header: EncodedFrameHeader, borrowing payload: UnsafeRawBufferPointer) {
        if payload.count >= separatePayloadSize, header.maskingKey == nil {
            appendToBlock(header, UnsafeRawBufferPointer(start: nil, count: 0))
            return writePayloadToTransport(payload.count) { $0.write(lent: payload) }
        }
        appendToBlock(header, payload)
        if output.count >= maximumCorkedSize { flush() }
    }

    /// Adds a header to the output block, and writes the payload to the transport, which may keep it.
    private func appendFrame(_ header: EncodedFrameHeader, owning payload: ByteBuffer) {
        appendToBlock(header, UnsafeRawBufferPointer(start: nil, count: 0))
        writePayloadToTransport(payload.readableBytes) { $0.write(payload) }
    }

    @inline(__always)
    private func appendToBlock(_ header: EncodedFrameHeader, _ payload: UnsafeRawBufferPointer) {
        markDirty()
        // A header is stored as sixteen bytes. The payload overwrites those that the header does not use.
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

    /// Removes the output block, if there is one.
    @inline(__always)
    func takeOutput() -> OutputBlock? {
        guard isDirty else { return nil }
        isDirty = false
        let block = output
        output = .none
        return block
    }

    /// Writes output before the turn ends if it has become large.
    ///
    /// - Returns: Whether the transport takes more.
    func flushIfLarge() -> Bool {
        if isDirty, output.count >= maximumCorkedSize { flush() }
        return isWritable
    }

    /// Writes the output block, and behind it a payload from where it lies.
    private func writePayloadToTransport(_ count: Int, _ write: (any Transport) -> Void) {
        // Flushed at once: with TLS, bytes that are only written do not count when a channel is asked whether it is writable.
        if let block = takeOutput() { writeToTransport(block) }
        progress.handOver(count)
        callTransport { transport in
            write(transport)
            transport.flush()
        }
    }

    @inline(__always)
    private func writeToTransport(_ block: OutputBlock) {
        progress.handOver(block.count)
        // The block is empty if a message turned out not to be sendable.
        guard transport != nil, block.count > 0 else { return loop.recycle(block) }
        callTransport { $0.write(block) }
    }

    /// Moves heads and control frames from the endpoint to the output block if the transport has room.
    func drainControl() {
        // Otherwise they wait in the endpoint, which keeps only the latest of each kind; here they would accumulate. A
        // head is moved in any case: there is only one at a time, and frames must not overtake it.
        guard endpoint.pointee.hasOutput, transport != nil, isWritable || endpoint.pointee.hasHeadOutput else {
            return
        }
        markDirty()
        if isObserved { observeControl() }
        if traffic != nil { countControlSent() }
        endpoint.pointee.drainOutput(random: &loop.random) { output.append($0) }
    }

    /// Gives all output to the transport, and has it write.
    @inline(__always)
    func flush() {
        guard let block = takeOutput() else { return }
        writeToTransport(block)
        callTransport { $0.flush() }
    }

    // MARK: Senders that do not wait

    /// Sends a message now even if the transport is full. Aborts the connection if more than `maximumOutbound` bytes wait.
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
            try sendFrame(kind, .only, payload, compress)
            if isWritable { return true }
        }
        noteUnwritten(payload.count)
        return false
    }

    /// Sends a message that goes to many connections; otherwise like the method above.
    func enqueue(_ message: PreparedMessage) throws(Endpoint.SendError) -> Bool {
        if mustWaitForFragments {
            try enqueueInOutbox(OutboundFrame(message))
        } else {
            try sendPrepared(message)
            if isWritable { return true }
        }
        noteUnwritten(message.payload.readableBytes)
        return false
    }

    /// Sends a message now, and returns whether it goes out: `false` if the connection is closing.
    @inline(__always)
    func canEnqueue(_ kind: MessageKind, _ payload: UnsafeRawBufferPointer) -> Bool {
        do throws(Endpoint.SendError) {
            _ = try enqueue(kind, payload)
            return true
        } catch {
            return false
        }
    }

    /// Sends a message that goes to many connections; otherwise like the method above.
    func canEnqueue(_ message: PreparedMessage) -> Bool {
        do throws(Endpoint.SendError) {
            _ = try enqueue(message)
            return true
        } catch {
            return false
        }
    }

    /// Whether a message must wait until the fragmented message that is being sent has ended.
    @inline(__always)
    private var mustWaitForFragments: Bool { endpoint.pointee.isSendingFragments || outbox.unawaitedSize > 0 }

    /// Counts output of senders that do not wait, and enforces its limit.
    private func noteUnwritten(_ count: Int) {
        // Compares what was queued before this message, so that a single message may have any size.
        let isTooMuch = unwritten > limits.maximumOutbound
        unwritten += count + Outbox.overhead
        if isTooMuch { giveUpSlowPeer() }
    }

    /// Queues a message behind the fragmented one that is being sent and the messages that wait already.
    private func enqueueInOutbox(_ frame: OutboundFrame) throws(Endpoint.SendError) {
        guard endpoint.pointee.phase == .open else { throw .notOpen }
        outbox.append(Outbox.Item(frame: frame, waiter: nil))
    }

    private func giveUpSlowPeer() {
        if !endpoint.pointee.hasOutcome { slowPeerLimit = .maximumOutbound }
        endpoint.pointee.abort(
            "the peer reads too slowly: more than \(limits.maximumOutbound) bytes wait (maximumOutbound)")
        // Takes effect at the end of the turn, because the sender may be the handler of another connection.
        queue()
    }

    // MARK: Senders that wait

    /// Sends a frame when the transport has room, or, without a frame, only waits for room; on the loop.
    func submit(_ frame: OutboundFrame?, _ wait: Wait, _ completion: Outbox.Completion) {
        if wait.isCancelled { return completion.resume(returning: .failure(.cancelled)) }
        outbox.append(Outbox.Item(frame: frame, waiter: Outbox.Waiter(wait: wait, completion: completion)))
        let unawaited = outbox.unawaitedSize
        sendWaiting()
        // Messages had to wait for a fragmented one. Its end notifies the handler that it may send again.
        if unawaited > 0, outbox.unawaitedSize == 0, case .handler(let handler) = receiver { handler.writable() }
    }

    /// Sends what waits while the transport has room.
    func sendWaiting() {
        while endpoint.pointee.phase == .open, isWritable,
            let item = outbox.popFirst(insideMessage: endpoint.pointee.isSendingFragments)
        {
            unwritten -= item.unawaitedSize
            var result: Result<Void, WebSocketError> = .success(())
            if let frame = item.frame {
                do throws(Endpoint.SendError) {
                    try sendFrame(frame)
                } catch {
                    result = .failure(WebSocketError(error, outcome: outcome))
                }
            }
            item.waiter?.completion.resume(returning: result)
        }
        if endpoint.pointee.phase != .open { failWaiting(.closed(outcome)) }
    }

    /// Fails all waiting sends.
    func failWaiting(_ error: WebSocketError) {
        for item in outbox.removeAll() { item.waiter?.completion.resume(returning: .failure(error)) }
        unwritten = 0
    }

    /// Fails the send that registered `wait`, if it is still waiting.
    func cancelSend(_ wait: Wait) {
        outbox.remove(wait)?.waiter?.completion.resume(returning: .failure(.cancelled))
    }
}
