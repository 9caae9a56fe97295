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

    /// Sends other bytes, as the kind of message that this is; ASCII where it is text.
    func send(_ bytes: [UInt8], on socket: borrowing OnLoopWebSocket) -> OnLoopWebSocket.SendResult {
        if text != nil { return socket.send(String(decoding: bytes, as: UTF8.self)) }
        return socket.send(binary: bytes.span.bytes)
    }

    // MARK: Published messages

    /// The fewest bytes of a message that says when it was sent.
    static let stampSize = 16

    /// The message, beginning with when it was sent, as hexadecimal digits.
    func stamped(_ moment: UInt64) -> [UInt8] {
        var bytes = bytes
        for place in 0..<Payload.stampSize {
            let digit = UInt8(truncatingIfNeeded: moment >> (60 - 4 * place)) & 0xF
            bytes[place] = digit + (digit < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10)
        }
        return bytes
    }

    /// When a message was sent; `nil` where it is none of ours, by kind, length and the first bytes.
    @inline(__always)
    func moment(of message: borrowing ReceivedMessage) -> UInt64? {
        guard message.count == bytes.count, message.kind == (text == nil ? .binary : .text) else { return nil }
        return message.withUnsafeBytes { found in
            var moment: UInt64 = 0
            for digit in found.prefix(Payload.stampSize) {
                switch digit {
                case UInt8(ascii: "0")...UInt8(ascii: "9"): moment = moment << 4 | UInt64(digit - UInt8(ascii: "0"))
                case UInt8(ascii: "a")...UInt8(ascii: "f"):
                    moment = moment << 4 | UInt64(digit - UInt8(ascii: "a") + 10)
                default: return nil
                }
            }
            let rest = Payload.stampSize..<min(found.count, 2 * Payload.stampSize)
            return bytes.withUnsafeBytes { $0[rest].elementsEqual(found[rest]) } ? moment : nil
        }
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
