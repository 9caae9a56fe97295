public import LifelineCore

/// What went wrong with a connection, or with a use of it.
public struct WebSocketError: Error, Sendable {
    /// What kind of thing went wrong; an open set, so that new codes break no caller's `switch`.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code's name.
        public let description: String

        private init(_ description: String) {
            self.description = description
        }

        /// The URL is not one of a WebSocket (RFC 6455 §3), or a part of the request is malformed.
        public static var invalidRequest: Code { Code("invalidRequest") }
        /// No TCP connection came about: the name is unknown, nobody listens, the network is down.
        public static var connectFailed: Code { Code("connectFailed") }
        /// TLS failed: a certificate that is not trusted, a name that does not match.
        public static var tlsFailed: Code { Code("tlsFailed") }
        /// The server answered the opening handshake with another status than 101; see ``WebSocketError/handshakeFailure``.
        public static var handshakeRefused: Code { Code("handshakeRefused") }
        /// The server's answer to the opening handshake breaks RFC 6455; see ``WebSocketError/handshakeFailure``.
        public static var handshakeFailed: Code { Code("handshakeFailed") }
        /// The opening handshake was not finished in time, or the connection ended before it was.
        public static var handshakeInterrupted: Code { Code("handshakeInterrupted") }
        /// The connection is closed, or closing; see ``WebSocketError/outcome``.
        public static var closed: Code { Code("closed") }
        /// Two tasks receive at once; messages have one order, and so one reader.
        public static var concurrentReceive: Code { Code("concurrentReceive") }
        /// The message is larger than the caller of ``WebSocket/receive(upTo:within:)`` allows.
        public static var messageTooBig: Code { Code("messageTooBig") }
        /// The code or reason of a Close frame cannot be sent (RFC 6455 §7.4, §5.5).
        public static var invalidCloseFrame: Code { Code("invalidCloseFrame") }
        /// Too many Pings wait for their Pongs.
        public static var tooManyPings: Code { Code("tooManyPings") }
        /// No Pong, or no message, came in time, on a connection that lives all the same.
        public static var timedOut: Code { Code("timedOut") }
        /// The task was cancelled. Nothing was lost: a message that had not been handed out is the next one.
        public static var cancelled: Code { Code("cancelled") }
        /// The server cannot listen at its address.
        public static var listenFailed: Code { Code("listenFailed") }
        /// A setting that cannot be used, such as a certificate that cannot be read.
        public static var invalidConfiguration: Code { Code("invalidConfiguration") }
    }

    /// One reference, since every asynchronous function that may throw it keeps room for it as long as it waits.
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

    /// What kind of thing went wrong.
    public var code: Code { storage.code }
    /// What came, what is allowed, and which setting or section says so.
    public var message: String { storage.message }
    /// How the connection ended, where that is the matter.
    public var outcome: CloseOutcome? { storage.outcome }
    /// Why the opening handshake failed, with the server's answer, where that is the matter.
    public var handshakeFailure: HandshakeFailure? { storage.handshakeFailure }
    /// The error below, where there is one.
    public var underlyingError: (any Error)? { storage.underlyingError }

    package init(
        _ code: Code, _ message: String, outcome: CloseOutcome? = nil, handshakeFailure: HandshakeFailure? = nil,
        underlyingError: (any Error)? = nil
    ) {
        storage = Storage(code, message, outcome, handshakeFailure, underlyingError)
    }
}

extension WebSocketError: CustomStringConvertible {
    /// The message, which says in words what ``underlyingError`` means.
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
            "another task receives from this WebSocket already; messages have one order, so one reader")
    }

    init(_ error: Endpoint.SendError, outcome: CloseOutcome?) {
        switch error {
        case .notOpen: self = .closed(outcome)
        case .tooManyPings: self.init(.tooManyPings, "too many Pings wait for their Pongs")
        case .insideMessage, .noMessage: self.init(.closed, "fragments out of order", outcome: outcome)
        }
    }
}
