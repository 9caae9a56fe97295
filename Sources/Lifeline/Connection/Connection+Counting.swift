import LifelineCore

/// Counts messages and control frames for the metrics, if there are any. The counts are plain integers of the loop.
extension Connection {
    /// Counts a message, or a part of one, that has been received.
    ///
    /// - Parameter size: The size of the payload in bytes, after decompression.
    @inline(__always)
    func countReceived(_ kind: MessageKind, _ size: Int, isLast: Bool) {
        guard let traffic else { return }
        traffic.pointee.received.add(kind, size, isLast: isLast)
        traffic.pointee.hasChanged()
    }

    /// Counts a data frame that is being sent.
    ///
    /// - Parameter size: The size of the payload in bytes, before compression.
    @inline(__always)
    func countSent(_ kind: MessageKind, _ position: FragmentPosition, _ size: Int) {
        guard let traffic else { return }
        traffic.pointee.sent.add(kind, size, isLast: position == .only || position == .last)
        traffic.pointee.hasChanged()
    }

    /// Counts a control frame that has been received.
    func countControlReceived(_ opcode: Opcode, _ size: Int) {
        guard let traffic else { return }
        traffic.pointee.received.add(opcode, size)
        traffic.pointee.hasChanged()
    }

    /// Counts the control frames that are about to be sent.
    func countControlSent() {
        guard let traffic else { return }
        for frame in endpoint.pointee.pendingControlFrames {
            traffic.pointee.sent.add(frame.opcode, frame.payload.count)
            traffic.pointee.hasChanged()
        }
    }
}

extension CloseFrame {
    /// The size of the payload in bytes: a code of two bytes and the reason, or nothing.
    var payloadSize: Int { code == nil ? 0 : 2 + reason.utf8.count }
}
