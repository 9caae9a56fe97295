import Lifeline
import LifelineTrace
import NIOCore

/// Converts lines of input to messages.
struct LineEncoding: Sendable {
    /// Whether to send binary messages instead of text.
    var isBinary: Bool
    /// Whether the lines for binary messages are hexadecimal digits.
    var isHexadecimal: Bool
    /// The most bytes of a message.
    var limit: Int

    /// An error: why a line cannot be sent.
    struct Refusal: Error, CustomStringConvertible {
        let description: String
        /// Whether a file could not be read.
        var isUnreadable = false
    }

    /// The most bytes of a line. Hexadecimal digits take up to three bytes for each byte of a message, with the spaces
    /// between them.
    var lineLimit: Int { isBinary && isHexadecimal ? limit * 3 : limit }

    /// Returns the line's message, or why it cannot be sent.
    func message(_ line: InputLine) -> Result<WebSocketMessage, Refusal> {
        switch line {
        case .tooLong(let number):
            return refuse(number, "has more than \(lineLimit) bytes; --max-message-size sets the limit")
        case .failed(let reason):
            return .failure(Refusal(description: "standard input could not be read: \(reason)"))
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

    /// Returns a line of text without the carriage return and the byte order mark that Windows writes.
    private static func text(_ bytes: [UInt8], isFirst: Bool) -> ArraySlice<UInt8> {
        var bytes = bytes[...]
        if isFirst, bytes.starts(with: FileText.byteOrderMark) { bytes = bytes.dropFirst(FileText.byteOrderMark.count) }
        return bytes.last == UInt8(ascii: "\r") ? bytes.dropLast() : bytes
    }

    /// Returns a whole file as one message, including its line ends, or why it cannot be sent.
    func message(_ file: String, _ bytes: [UInt8]) -> Result<WebSocketMessage, Refusal> {
        func refuse(_ why: String) -> Result<WebSocketMessage, Refusal> {
            .failure(Refusal(description: "--message: \(file) was not sent: it \(why)"))
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
