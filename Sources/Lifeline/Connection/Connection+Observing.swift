import HTTPTypes
import LifelineCore

/// Reports to the observer, if there is one.
extension Connection {
    /// Reports an event. It is made only if there is an observer.
    @inline(__always)
    func observe(_ kind: @autoclosure () -> LifecycleEvent.Kind) {
        if observer != nil { report(kind()) }
    }

    private func report(_ kind: LifecycleEvent.Kind) {
        observer?.observe(
            LifecycleEvent(
                connectionID: id, role: endpoint.pointee.role, instant: loop.driver.now(), kind: kind))
    }

    // MARK: Received

    /// Keeps a received frame's header until its payload is known.
    func observeFrame(_ header: FrameHeader) {
        observePayload(UnsafeRawBufferPointer(start: nil, count: 0))
        observedHeader = header
        guard !header.opcode.isControl else { return }
        // The frames of a message are added up until the message is complete.
        var message =
            observedIncoming
            ?? LifecycleEvent.MessageSummary(
                kind: header.opcode == .text ? .text : .binary, size: 0, wireSize: 0, isCompressed: header.rsv1,
                frames: 0, payload: [])
        message.frames += 1
        message.wireSize.addSaturating(Int(clamping: header.payloadLength))
        observedIncoming = message
    }

    /// Reports the received frame whose header was kept, with the beginning of its payload.
    func observePayload(_ payload: UnsafeRawBufferPointer) {
        guard let header = observedHeader else { return }
        observedHeader = nil
        report(.frameReceived(header, preview: (header.opcode == .close ? closePayload() : nil) ?? preview(payload)))
    }

    /// The payload of the peer's Close frame, if one has been read.
    private func closePayload() -> [UInt8]? {
        guard let received = outcome?.received, let code = received.code else { return nil }
        return [UInt8(code.rawValue >> 8), UInt8(truncatingIfNeeded: code.rawValue)] + received.reason.utf8
    }

    /// Reports a received part of a message, and, after the last part, the message.
    func observeReceived(_ bytes: UnsafeRawBufferPointer, isFirst: Bool, isLast: Bool) {
        observePayload(bytes)
        guard var message = observedIncoming else { return }
        message.size.addSaturating(bytes.count)
        if isFirst { message.payload = preview(bytes) }
        observedIncoming = isLast ? nil : message
        if isLast { report(.messageReceived(message)) }
    }

    /// Reports that the transport has become full, or has room again.
    func observeWriting() {
        guard isObserved, !isTerminated, !endpoint.pointee.hasOutcome, isWritable == observedFull
        else { return }
        observedFull = !isWritable
        report(isWritable ? .writingResumed : .writingPaused(pendingBytes: transport?.pendingBytes ?? 0))
    }

    /// A copy of the beginning of a payload, as long as the observer asks for.
    private func preview(_ payload: UnsafeRawBufferPointer) -> [UInt8] {
        // Rebased, because a buffer is copied in one step, and a slice byte by byte.
        Array(UnsafeRawBufferPointer(rebasing: payload.prefix(settings.payloadLimit)))
    }

    // MARK: Sent

    /// Reports a data frame that is being sent, and, after the last frame, the message.
    ///
    /// - Parameters:
    ///   - payload: The payload before compression.
    ///   - compressedLength: The length of the payload on the wire if it is compressed.
    func observeSent(
        _ kind: MessageKind, _ position: FragmentPosition, _ payload: UnsafeRawBufferPointer,
        compressedLength: Int? = nil
    ) {
        let isFirst = position == .only || position == .first
        let isLast = position == .only || position == .last
        let wireSize = compressedLength ?? payload.count
        let header = FrameHeader(
            opcode: isFirst ? kind.opcode : .continuation, isFinal: isLast, rsv1: isFirst && compressedLength != nil,
            payloadLength: UInt64(wireSize))
        let preview = preview(payload)
        report(.frameSent(header, preview: preview))
        var message =
            observedOutgoing
            ?? LifecycleEvent.MessageSummary(
                kind: kind, size: 0, wireSize: 0, isCompressed: compressedLength != nil, frames: 0, payload: preview)
        message.frames += 1
        message.size.addSaturating(payload.count)
        message.wireSize.addSaturating(wireSize)
        observedOutgoing = isLast ? nil : message
        if isLast { report(.messageSent(message)) }
    }

    /// Reports the control frames that are about to be sent.
    func observeControl() {
        for frame in endpoint.pointee.pendingControlFrames {
            frame.payload.withUnsafeBytes { payload in
                report(
                    .frameSent(
                        FrameHeader(opcode: frame.opcode, payloadLength: UInt64(payload.count)),
                        preview: Array(payload)))
            }
        }
    }
}
