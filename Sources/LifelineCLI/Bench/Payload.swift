import Lifeline
import LifelineTrace

/// What is sent, again and again.
struct Payload: Sendable {
    let bytes: [UInt8]
    /// The same as text, where it is sent as such.
    let text: String?

    /// - Parameters:
    ///   - size: The number of bytes.
    ///   - isText: Whether to send text, ASCII.
    init(size: Int, isText: Bool) {
        let pattern = Array("The quick brown fox jumps over the lazy dog; ".utf8)
        // Every byte there is, and no constant, which would be kind to those who compress.
        bytes = (0..<size).map { isText ? pattern[$0 % pattern.count] : UInt8(truncatingIfNeeded: $0 &* 131 &+ 7) }
        text = isText ? String(decoding: bytes, as: UTF8.self) : nil
    }

    /// Sends it.
    @inline(__always)
    func send(on socket: borrowing OnLoopWebSocket) -> OnLoopWebSocket.SendResult {
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
