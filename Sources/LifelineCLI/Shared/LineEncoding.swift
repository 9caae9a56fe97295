import Lifeline
import LifelineTrace
import NIOCore

/// How a line of input becomes a message.
struct LineEncoding: Sendable {
    /// Whether lines are sent as binary messages, rather than as text.
    var isBinary: Bool
    /// Whether the lines of binary messages are hexadecimal digits.
    var isHexadecimal: Bool
    /// The most bytes of a message.
    var limit: Int

    /// A line that cannot be sent.
    struct Refusal: Error, CustomStringConvertible {
        let description: String
    }

    /// The most bytes of a line: digits take three for each of a message's, with the spaces between them.
    var lineLimit: Int { isBinary && isHexadecimal ? limit * 3 : limit }

    /// The line's message, or why it has none.
    func message(_ line: InputLine) -> Result<WebSocketMessage, Refusal> {
        switch line {
        case .tooLong(let number):
            return refuse(number, "has more than \(lineLimit) bytes; --max-message-size sets the limit")
        case .failed(let reason):
            return .failure(Refusal(description: "standard input could not be read to its end: \(reason)"))
        case .line(let number, let bytes) where isBinary && isHexadecimal:
            guard let bytes = Hexadecimal.bytes(bytes) else {
                return refuse(number, "is not pairs of hexadecimal digits")
            }
            return .success(.binary(bytes))
        case .line(_, let bytes) where isBinary:
            return .success(.binary(bytes))
        case .line(let number, let bytes):
            guard let text = String(validating: LineEncoding.text(bytes, isFirst: number == 1), as: UTF8.self) else {
                return refuse(number, "is not UTF-8; --binary sends any bytes")
            }
            return .success(.text(text))
        }
    }

    /// The bytes of a line of text: Windows ends lines with a carriage return too, and begins files with a byte order mark.
    private static func text(_ bytes: [UInt8], isFirst: Bool) -> ArraySlice<UInt8> {
        var bytes = bytes[...]
        if isFirst, bytes.starts(with: FileText.byteOrderMark) { bytes = bytes.dropFirst(FileText.byteOrderMark.count) }
        return bytes.last == UInt8(ascii: "\r") ? bytes.dropLast() : bytes
    }

    /// The message that is the whole of a file, line ends and all, or why it has none.
    func message(_ file: String, _ bytes: [UInt8]) -> Result<WebSocketMessage, Refusal> {
        func refuse(_ why: String) -> Result<WebSocketMessage, Refusal> {
            .failure(Refusal(description: "\(file) was not sent: it \(why)"))
        }
        guard isBinary else {
            guard let text = String(validating: bytes, as: UTF8.self) else {
                return refuse("is not UTF-8; --binary sends any bytes")
            }
            return .success(.text(text))
        }
        guard isHexadecimal else { return .success(.binary(bytes)) }
        guard let bytes = Hexadecimal.bytes(bytes.filter { $0 != UInt8(ascii: "\n") }) else {
            return refuse("is not pairs of hexadecimal digits")
        }
        return .success(.binary(bytes))
    }

    private func refuse(_ number: Int, _ why: String) -> Result<WebSocketMessage, Refusal> {
        .failure(Refusal(description: "line \(number) was not sent: it \(why)"))
    }
}
