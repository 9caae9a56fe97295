#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

extension WebSocketURL {
    /// Parses a URL.
    ///
    /// - Throws: ``WebSocketError`` with the code ``WebSocketError/Code/invalidRequest`` and a message that says which
    ///   part is invalid.
    public init(_ url: URL) throws(WebSocketError) {
        try self.init(url.absoluteString)
    }
}

extension WebSocketClient {
    /// Opens a connection, calls `handler` with it, and closes it when `handler` returns or throws; see
    /// ``connect(to:configuration:handler:)-(String,_,_)``.
    public nonisolated(nonsending) static func connect<Result>(
        to url: URL, configuration: WebSocketClientConfiguration = WebSocketClientConfiguration(),
        handler: nonisolated(nonsending) (WebSocket) async throws -> Result
    ) async throws -> Result {
        try await connect(to: WebSocketURL(url), configuration: configuration, handler: handler)
    }

    /// Opens a connection that the caller closes; see ``open(to:configuration:)-(String,_)``.
    public nonisolated(nonsending) static func open(
        to url: URL, configuration: WebSocketClientConfiguration = WebSocketClientConfiguration()
    ) async throws(WebSocketError) -> WebSocket {
        try await open(to: WebSocketURL(url), configuration: configuration)
    }

    /// Opens a connection, handles its messages on its event loop, and returns when the connection has ended; see
    /// ``connectOnLoop(to:configuration:makeHandler:)-(String,_,_)``.
    public static func connectOnLoop(
        to url: URL, configuration: WebSocketClientConfiguration = WebSocketClientConfiguration(),
        makeHandler: @escaping @Sendable (WebSocketHandshake) -> any OnLoopHandler
    ) async throws(WebSocketError) -> CloseOutcome {
        try await connectOnLoop(to: WebSocketURL(url), configuration: configuration, makeHandler: makeHandler)
    }
}
