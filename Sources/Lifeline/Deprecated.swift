public import HTTPTypes

// Names of version 0.1, kept for one version.

@available(*, deprecated, renamed: "WebSocketMessage")
public typealias Message = WebSocketMessage

@available(*, deprecated, renamed: "PEMSource")
public typealias PEM = PEMSource

@available(*, deprecated, renamed: "HTTPServerResponse")
public typealias HTTPAnswer = HTTPServerResponse

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
