/// The content of a Close frame: a code and a reason, or nothing
/// ([RFC 6455 §5.5.1](https://www.rfc-editor.org/rfc/rfc6455#section-5.5.1)).
public struct CloseFrame: Hashable, Sendable {
    /// The most bytes of UTF-8 in a reason: the 125 of a control frame, less two for the code.
    public static let maximumReasonLength = 123

    /// The code; `nil` if the frame has no payload.
    public let code: CloseCode?
    /// The reason: at most ``maximumReasonLength`` bytes of UTF-8; empty if none is given.
    public let reason: String

    /// A Close frame without a payload; the peer reports it as 1005.
    public static var empty: CloseFrame { CloseFrame(unchecked: nil, reason: "") }

    private init(unchecked code: CloseCode?, reason: String) {
        self.code = code
        self.reason = reason
    }

    /// Creates a Close frame to send.
    ///
    /// - Throws: ``CloseFrameError`` if the code must not be sent, or the reason is too long.
    public init(code: CloseCode, reason: String = "") throws(CloseFrameError) {
        guard code.isSendable else { throw .unsendableCode(code) }
        guard reason.utf8.count <= CloseFrame.maximumReasonLength else { throw .reasonTooLong(reason.utf8.count) }
        self.init(unchecked: code, reason: reason)
    }

    /// Creates a Close frame with a code that is known to be sendable. A long reason is cut between characters.
    package init(_ code: CloseCode, _ reason: String) {
        assert(code.isSendable)
        var reason = reason
        while reason.utf8.count > CloseFrame.maximumReasonLength { reason.removeLast() }
        self.init(unchecked: code, reason: reason)
    }

    /// Parses the payload of a received frame.
    init(payload: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        guard !payload.isEmpty else {
            self = .empty
            return
        }
        guard payload.count >= 2 else { throw .closePayloadOfOneByte }
        let code = CloseCode(rawValue: UInt16(payload[0]) << 8 | UInt16(payload[1]))
        guard code.isSendable else { throw .invalidCloseCode(code) }
        let reason = UnsafeRawBufferPointer(rebasing: payload[2...])
        guard UTF8Validator.isValid(reason) else { throw .invalidUTF8InCloseReason }
        self.init(unchecked: code, reason: String(decoding: reason, as: UTF8.self))
    }

    /// The frame's payload.
    var payload: [UInt8] {
        guard let code else { return [] }
        return [UInt8(code.rawValue >> 8), UInt8(truncatingIfNeeded: code.rawValue)] + reason.utf8
    }
}

extension CloseFrame: CustomStringConvertible {
    /// The code and, in quotes, the reason.
    public var description: String {
        guard let code else { return "no status" }
        return reason.isEmpty ? "\(code)" : "\(code) \"\(reason)\""
    }
}

/// Why a Close frame cannot be created.
@nonexhaustive(warn)
public enum CloseFrameError: Error, Hashable, Sendable {
    /// The code is reserved or outside the ranges of RFC 6455 §7.4.2.
    case unsendableCode(CloseCode)
    /// The reason has so many bytes of UTF-8; at most ``CloseFrame/maximumReasonLength`` are allowed.
    case reasonTooLong(Int)
}

extension CloseFrameError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unsendableCode(let code):
            "close code \(code) must not be sent; 1000–1003, 1007–1014 and 3000–4999 may (RFC 6455 §7.4)"
        case .reasonTooLong(let count):
            "the close reason has \(count) bytes of UTF-8; at most \(CloseFrame.maximumReasonLength) are allowed (RFC 6455 §5.5)"
        }
    }
}
