public import HTTPTypes
import Logging

// Names of version 0.1, kept for one version.

@available(*, deprecated, renamed: "HTTPServerResponse")
public typealias HTTPAnswer = HTTPServerResponse

extension WebSocketEngine {
    /// The engine that ``automatic`` selects on this system at the moment. For any other engine, and if
    /// `LIFELINE_ENGINE` has an invalid value, this value itself.
    ///
    /// - Parameter usesTLS: Whether the engine must support TLS.
    @available(*, deprecated, message: "The log line `listening` of a server names the engine that it runs on.")
    public func resolved(usesTLS: Bool = false) -> WebSocketEngine {
        guard kind == .automatic else { return self }
        let logger = Logger(label: "lifeline.engine") { _ in SwiftLogNoOpLogHandler() }
        let engine = try? EngineFactory.engine(self, loopCount: nil, usesTLS: usesTLS, logger)
        return engine.flatMap { WebSocketEngine(name: $0.name) } ?? self
    }
}

extension WebSocket {
    @available(*, deprecated, renamed: "waitUntilWritable()")
    public nonisolated(nonsending) func writable() async throws(WebSocketError) {
        try await waitUntilWritable()
    }
}

extension WebSocketServer {
    @available(*, deprecated, renamed: "respond(at:_:)", message: "The closure gets a ServerRequest.")
    public mutating func page(_ path: String, answer: @escaping @Sendable (HTTPRequest) -> HTTPServerResponse) {
        respond(at: path) { answer($0.request) }
    }

    @available(*, deprecated, renamed: "respond(at:_:)", message: "The closure gets a ServerRequest.")
    public mutating func page(
        _ path: String, answer: @escaping @Sendable (HTTPRequest, _ remoteAddress: String) -> HTTPServerResponse
    ) {
        respond(at: path) { answer($0.request, $0.remoteAddress) }
    }

    @available(*, deprecated, renamed: "configuration.observers")
    public var observers: [any LifecycleObserver] {
        get { configuration.observers }
        set { configuration.observers = newValue }
    }
}
