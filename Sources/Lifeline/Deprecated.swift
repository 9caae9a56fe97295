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
    @available(*, deprecated, renamed: "configuration.observers")
    public var observers: [any LifecycleObserver] {
        get { configuration.observers }
        set { configuration.observers = newValue }
    }
}
