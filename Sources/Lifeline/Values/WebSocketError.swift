public import LifelineCore

/// An error of a connection, a client or a server.
public struct WebSocketError: Error, Sendable {
    /// The kind of an error. It is an open set, so that new codes do not break a caller's `switch`.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code's name.
        public let description: String

        private init(_ description: String) {
            self.description = description
        }

        /// The URL is not a WebSocket URL (RFC 6455 §3), or a part of the request is malformed.
        public static var invalidRequest: Code { Code("invalidRequest") }
        /// The TCP connection failed, for example because the host name cannot be resolved, nothing listens on the port, or the
        /// network is down.
        public static var connectFailed: Code { Code("connectFailed") }
        /// TLS failed, for example because the certificate is not trusted or does not name the host.
        public static var tlsFailed: Code { Code("tlsFailed") }
        /// The server answered the opening handshake with a status other than 101; see
        /// ``WebSocketError/handshakeFailure``.
        public static var handshakeRefused: Code { Code("handshakeRefused") }
        /// The server's response to the opening handshake violates RFC 6455; see ``WebSocketError/handshakeFailure``.
        public static var handshakeFailed: Code { Code("handshakeFailed") }
        /// The opening handshake timed out, or the connection ended before it was complete.
        public static var handshakeInterrupted: Code { Code("handshakeInterrupted") }
        /// The connection is closed or closing; see ``WebSocketError/outcome``.
        public static var closed: Code { Code("closed") }
        /// Another task is receiving. Only one task may receive at a time, since messages are ordered.
        public static var concurrentReceive: Code { Code("concurrentReceive") }
        /// The message is larger than the caller of ``WebSocket/receive(upTo:within:)`` allows.
        public static var messageTooBig: Code { Code("messageTooBig") }
        /// The code or reason of a Close frame cannot be sent (RFC 6455 §7.4, §5.5).
        public static var invalidCloseFrame: Code { Code("invalidCloseFrame") }
        /// Too many Pings are waiting for their Pongs.
        public static var tooManyPings: Code { Code("tooManyPings") }
        /// No Pong or message arrived in time. The connection is still open.
        public static var timedOut: Code { Code("timedOut") }
        /// The task was cancelled. No message is lost: the next receive gets it.
        public static var cancelled: Code { Code("cancelled") }
        /// The server cannot listen on its address.
        public static var listenFailed: Code { Code("listenFailed") }
        /// A setting is invalid, such as a certificate that cannot be read or an engine that is not available.
        public static var invalidConfiguration: Code { Code("invalidConfiguration") }
    }

    /// The error's fields behind one reference, because every asynchronous function that may throw it reserves space
    /// for it while it waits.
    private final class Storage: Sendable {
        let code: Code
        let message: String
        let outcome: CloseOutcome?
        let handshakeFailure: HandshakeFailure?
        let underlyingError: (any Error)?

        init(
            _ code: Code, _ message: String, _ outcome: CloseOutcome?, _ handshakeFailure: HandshakeFailure?,
            _ underlyingError: (any Error)?
        ) {
            self.code = code
            self.message = message
            self.outcome = outcome
            self.handshakeFailure = handshakeFailure
            self.underlyingError = underlyingError
        }
    }

    private let storage: Storage

    /// The kind of the error.
    public var code: Code { storage.code }
    /// A text that says what happened, what is allowed, and which setting or RFC section applies.
    public var message: String { storage.message }
    /// How the connection ended, if it has ended.
    public var outcome: CloseOutcome? { storage.outcome }
    /// Why the opening handshake failed, with the server's response; `nil` for other errors.
    public var handshakeFailure: HandshakeFailure? { storage.handshakeFailure }
    /// The error that caused this one, if there is one.
    public var underlyingError: (any Error)? { storage.underlyingError }

    /// Creates an error, for example to test code that handles one.
    ///
    /// - Parameters:
    ///   - code: The kind of the error.
    ///   - message: What happened, what is allowed, and which setting or RFC section applies.
    ///   - outcome: How the connection ended, if it has ended. Default: `nil`.
    ///   - handshakeFailure: Why the opening handshake failed, if it did. Default: `nil`.
    ///   - underlyingError: The error that caused this one, if there is one. Default: `nil`.
    public init(
        code: Code, message: String, outcome: CloseOutcome? = nil, handshakeFailure: HandshakeFailure? = nil,
        underlyingError: (any Error)? = nil
    ) {
        storage = Storage(code, message, outcome, handshakeFailure, underlyingError)
    }

    package init(
        _ code: Code, _ message: String, outcome: CloseOutcome? = nil, handshakeFailure: HandshakeFailure? = nil,
        underlyingError: (any Error)? = nil
    ) {
        storage = Storage(code, message, outcome, handshakeFailure, underlyingError)
    }
}

extension WebSocketError: CustomStringConvertible {
    /// The ``message``, which also describes ``underlyingError``.
    public var description: String { message }
}

extension WebSocketError {
    static func closed(_ outcome: CloseOutcome?) -> WebSocketError {
        WebSocketError(
            .closed, outcome.map { "the connection has ended: \($0)" } ?? "the connection is closing", outcome: outcome)
    }

    static var cancelled: WebSocketError { WebSocketError(.cancelled, "the task was cancelled") }

    static var concurrentReceive: WebSocketError {
        WebSocketError(
            .concurrentReceive,
            "another task is already receiving from this WebSocket; only one task may receive at a time")
    }

    init(_ error: Endpoint.SendError, outcome: CloseOutcome?) {
        switch error {
        case .notOpen: self = .closed(outcome)
        case .tooManyPings: self.init(.tooManyPings, "too many Pings are waiting for their Pongs")
        case .insideMessage, .noMessage: self.init(.closed, "fragments out of order", outcome: outcome)
        }
    }
}
