import Lifeline
import LifelineTrace

/// The message that every connection sends.
struct Payload: Sendable {
    let bytes: [UInt8]
    /// The payload as text, for text messages; otherwise `nil`.
    let text: String?

    /// - Parameters:
    ///   - size: The number of bytes.
    ///   - isText: Whether to send text, ASCII.
    init(size: Int, isText: Bool) {
        let pattern = Array("The quick brown fox jumps over the lazy dog; ".utf8)
        // All byte values, since a constant would compress too well.
        bytes = (0..<size).map { isText ? pattern[$0 % pattern.count] : UInt8(truncatingIfNeeded: $0 &* 131 &+ 7) }
        text = isText ? String(decoding: bytes, as: UTF8.self) : nil
    }

    /// Sends the message.
    @inline(__always)
    func send(on socket: borrowing OnLoopWebSocket) -> OnLoopWebSocket.SendResult {
        if let text { return socket.send(text) }
        return socket.send(binary: bytes.span.bytes)
    }

    /// Sends other bytes as a message of the same kind. For a text message they must be ASCII.
    func send(_ bytes: [UInt8], on socket: borrowing OnLoopWebSocket) -> OnLoopWebSocket.SendResult {
        if text != nil { return socket.send(String(decoding: bytes, as: UTF8.self)) }
        return socket.send(binary: bytes.span.bytes)
    }

    // MARK: Published messages

    /// The bytes that the time of sending takes in a message.
    static let stampSize = 16

    /// The message with the time of sending at its beginning, in hexadecimal digits.
    func stamped(_ moment: UInt64) -> [UInt8] {
        var bytes = bytes
        for place in 0..<Payload.stampSize {
            let digit = UInt8(truncatingIfNeeded: moment >> (60 - 4 * place)) & 0xF
            bytes[place] = digit + (digit < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10)
        }
        return bytes
    }

    /// Returns when a message was sent, or `nil` if its kind, length or first bytes are not those of this payload.
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

    /// Whether kind, length and first bytes of a message are those of this payload.
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
