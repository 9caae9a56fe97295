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
    ///
    /// - Parameters:
    ///   - payload: What is sent.
    ///   - compressedLength: What it takes on the wire, where it is compressed.
    func observeSent(
        _ kind: MessageKind, _ position: FragmentPosition, _ payload: UnsafeRawBufferPointer,
        compressedLength: Int? = nil
    ) {
        let isFirst = position == .only || position == .first
        let header = FrameHeader(
            opcode: isFirst ? kind.opcode : .continuation, isFinal: position == .only || position == .last,
            rsv1: isFirst && compressedLength != nil, payloadLength: UInt64(compressedLength ?? payload.count))
        reportSent(header, payload)
    }

    /// Reports the control frames that are about to be sent.
    func observeControl() {
        for frame in endpoint.pointee.pendingControlFrames {
            frame.payload.withUnsafeBytes { payload in
                reportSent(FrameHeader(opcode: frame.opcode, payloadLength: UInt64(payload.count)), payload)
            }
        }
    }

    private func reportSent(_ header: FrameHeader, _ payload: UnsafeRawBufferPointer) {
        report(.frameSent(header, preview: Array(payload.prefix(LifecycleEvent.maximumPreviewSize))))
    }
}
