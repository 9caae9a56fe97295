// Names of version 0.1, kept for one version.

@available(*, deprecated, renamed: "WebSocketMessage")
public typealias Message = WebSocketMessage

@available(*, deprecated, renamed: "PEMSource")
public typealias PEM = PEMSource

@available(*, deprecated, renamed: "HTTPServerResponse")
public typealias HTTPAnswer = HTTPServerResponse
