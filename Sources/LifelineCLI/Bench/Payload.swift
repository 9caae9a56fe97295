import Lifeline

/// What is sent, again and again.
struct Payload: Sendable {
    let bytes: [UInt8]
    /// The same as text, where it is sent as such.
    let text: String?

    /// - Parameters:
    ///   - size: The number of bytes.
    ///   - isText: Whether to send text. It is ASCII with a letter of two bytes now and then, so that a server that checks
    ///     for UTF-8 has something to check.
    init(size: Int, isText: Bool) {
        guard isText else {
            // Every byte there is; a constant would be kind to those who compress.
            bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 131 &+ 7) }
            text = nil
            return
        }
        let pattern = Array("The quick brown fox jumps over the lazy dög; ".utf8)
        var bytes = (0..<size).map { pattern[$0 % pattern.count] }
        // Not in the middle of the letter of two.
        if let last = bytes.last, last >= 0xC0 { bytes[size - 1] = UInt8(ascii: ".") }
        self.bytes = bytes
        text = String(decoding: bytes, as: UTF8.self)
    }

    /// Sends it.
    @inline(__always)
    func send(on socket: OnLoopWebSocket) -> OnLoopWebSocket.SendResult {
        if let text { return socket.send(text) }
        return socket.send(binary: bytes.span.bytes)
    }

    /// Whether a message looks like it: kind, length and the first bytes.
    @inline(__always)
    func matches(_ message: borrowing ReceivedMessage) -> Bool {
        guard message.count == bytes.count, message.kind == (text == nil ? .binary : .text) else { return false }
        return message.withUnsafeBytes { found in
            bytes.withUnsafeBytes { wanted in
                let compared = min(wanted.count, 16)
                if compared == 16 {
                    return found.loadUnaligned(as: SIMD2<UInt64>.self) == wanted.loadUnaligned(as: SIMD2<UInt64>.self)
                }
                return found.prefix(compared).elementsEqual(wanted.prefix(compared))
            }
        }
    }
}
