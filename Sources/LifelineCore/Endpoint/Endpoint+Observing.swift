/// Support for observers.
extension Endpoint {
    /// The control frames that the next call of ``drainOutput(random:_:)`` hands out, in order.
    package var pendingControlFrames: [(opcode: Opcode, payload: [UInt8])] {
        var frames: [(opcode: Opcode, payload: [UInt8])] = []
        if let payload = coldState?.control.pongPayload { frames.append((.pong, payload)) }
        if let number = coldState?.control.ping {
            frames.append((.ping, withUnsafeBytes(of: number.bigEndian) { Array($0) }))
        }
        if let close = coldState?.control.close { frames.append((.close, close.payload)) }
        return frames
    }
}

extension ControlOutput {
    fileprivate var pongPayload: [UInt8]? {
        switch pong {
        case .some(let store): Array(store.bytes)
        case .none: nil
        }
    }
}
