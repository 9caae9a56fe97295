import HTTPTypes
import LifelineCore

/// Reports events to the observer, if there is one.
extension Connection {
    /// Reports an event. Its kind is evaluated only if there is an observer.
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

    /// Stores a received frame's header until its payload is known.
    func observeFrame(_ header: FrameHeader) {
        observePayload(UnsafeRawBufferPointer(start: nil, count: 0))
        observedHeader = header
        guard !header.opcode.isControl else { return }
        // Collects the frames of the message until it is complete.
        var message =
            observedIncoming
            ?? LifecycleEvent.MessageSummary(
                kind: header.opcode == .text ? .text : .binary, size: 0, wireSize: 0, isCompressed: header.rsv1,
                frames: 0, payload: [])
        message.frames += 1
        message.wireSize.addSaturating(Int(clamping: header.payloadLength))
        observedIncoming = message
    }

    /// Reports the received frame whose header was stored, with the beginning of its payload.
    func observePayload(_ payload: UnsafeRawBufferPointer) {
        guard let header = observedHeader else { return }
        observedHeader = nil
        report(.frameReceived(header, preview: (header.opcode == .close ? closePayload() : nil) ?? preview(payload)))
    }

    /// Returns the payload of the peer's Close frame, if it has been read and has a code.
    private func closePayload() -> [UInt8]? {
        guard let received = outcome?.received, let code = received.code else { return nil }
        return [UInt8(code.rawValue >> 8), UInt8(truncatingIfNeeded: code.rawValue)] + received.reason.utf8
    }

    /// Reports a frame of a message when its payload has arrived, and the message after its last part.
    func observeReceived(_ bytes: UnsafeRawBufferPointer, isFirst: Bool, isLast: Bool) {
        observePayload(bytes)
        guard var message = observedIncoming else { return }
        message.size.addSaturating(bytes.count)
        if isFirst { message.payload = preview(bytes) }
        observedIncoming = isLast ? nil : message
        if isLast { report(.messageReceived(message)) }
    }

    /// Reports that the transport is no longer writable, or is writable again.
    func observeWriting() {
        guard isObserved, !isTerminated, !endpoint.pointee.hasOutcome, isWritable == observedFull
        else { return }
        observedFull = !isWritable
        report(isWritable ? .writingResumed : .writingPaused(pendingBytes: transport?.pendingBytes ?? 0))
    }

    /// Returns the beginning of a payload.
    private func preview(_ payload: UnsafeRawBufferPointer) -> [UInt8] {
        // An array copies a buffer in one step, but a slice element by element.
        Array(UnsafeRawBufferPointer(rebasing: payload.prefix(settings.payloadLimit)))
    }

    // MARK: Sent

    /// Reports a data frame that is being sent, and the message after its last frame.
    ///
    /// - Parameters:
    ///   - payload: The payload before compression.
    ///   - compressedLength: The length of the compressed payload; `nil` if it is not compressed.
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
