public import LifelineCore

/// An error that a handler throws to close its connection with a given close code and reason.
///
/// ```swift
/// server.route("/orders") { socket in
///     for try await message in socket {
///         guard message.count <= 1024 else {
///             throw WebSocketCloseError(code: .policyViolation, reason: "orders are limited to 1,024 bytes")
///         }
///     }
/// }
/// ```
///
/// Other errors close the connection with 1011 and no reason, so that the peer learns no internals of the server.
public struct WebSocketCloseError: Error, Hashable, Sendable {
    /// The close code. A code that must not be sent is replaced by 1011
    /// ([RFC 6455 §7.4](https://www.rfc-editor.org/rfc/rfc6455#section-7.4)).
    public let code: CloseCode
    /// The reason. It is cut to 123 bytes of UTF-8, the most that a Close frame can carry (RFC 6455 §5.5).
    public let reason: String

    /// Creates an error that closes the connection with a code and a reason.
    public init(code: CloseCode, reason: String = "") {
        self.code = code
        self.reason = reason
    }

    /// The Close frame that is sent.
    var frame: CloseFrame {
        var end = reason.utf8.endIndex
        if reason.utf8.count > CloseFrame.maximumReasonLength {
            end = reason.utf8.index(reason.utf8.startIndex, offsetBy: CloseFrame.maximumReasonLength)
            // Does not cut inside a character.
            while end > reason.startIndex, end.samePosition(in: reason) == nil { end = reason.utf8.index(before: end) }
        }
        let reason = String(reason[..<end])
        return (try? CloseFrame(code: code, reason: reason)) ?? CloseFrame(.internalError, reason)
    }
}

extension WebSocketCloseError: CustomStringConvertible {
    public var description: String {
        "close with \(frame.code?.rawValue ?? code.rawValue)" + (reason.isEmpty ? "" : ": \(reason)")
    }
}
