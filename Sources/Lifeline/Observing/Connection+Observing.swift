import HTTPTypes
import LifelineCore

/// Tells the observer, where there is one.
extension Connection {
    @inline(__always)
    func observe(_ kind: @autoclosure () -> LifecycleEvent.Kind) {
        if observer != nil { report(kind()) }
    }

    private func report(_ kind: LifecycleEvent.Kind) {
        observer?.observe(
            LifecycleEvent(
                connectionID: id, role: endpoint.pointee.role, instant: loop.driver.now(), kind: kind))
    }

    /// Keeps a received frame's header until its payload is known.
    func observeFrame(_ header: FrameHeader) {
        observePayload(UnsafeRawBufferPointer(start: nil, count: 0))
        observedHeader = header
    }

    /// Reports the received frame that was kept, with its payload's beginning.
    func observePayload(_ payload: UnsafeRawBufferPointer) {
        guard let header = observedHeader else { return }
        observedHeader = nil
        var preview = payload
        if header.opcode == .close, let received = outcome?.received, let code = received.code {
            let bytes = [UInt8(code.rawValue >> 8), UInt8(truncatingIfNeeded: code.rawValue)] + received.reason.utf8
            return report(.frameReceived(header, preview: bytes))
        }
        preview = UnsafeRawBufferPointer(rebasing: preview.prefix(LifecycleEvent.maximumPreviewSize))
        report(.frameReceived(header, preview: Array(preview)))
    }

    /// Reports a data frame that is being sent.
    func observeSent(_ kind: MessageKind, _ position: FragmentPosition, _ payload: UnsafeRawBufferPointer) {
        let opcode = position == .only || position == .first ? kind.opcode : .continuation
        reportSent(opcode, isFinal: position == .only || position == .last, payload)
    }

    /// Reports the control frames that are about to be sent.
    func observeControl() {
        for frame in endpoint.pointee.pendingControlFrames {
            frame.payload.withUnsafeBytes { reportSent(frame.opcode, isFinal: true, $0) }
        }
    }

    private func reportSent(_ opcode: Opcode, isFinal: Bool, _ payload: UnsafeRawBufferPointer) {
        let header = FrameHeader(opcode: opcode, isFinal: isFinal, payloadLength: UInt64(payload.count))
        report(.frameSent(header, preview: Array(payload.prefix(LifecycleEvent.maximumPreviewSize))))
    }
}
