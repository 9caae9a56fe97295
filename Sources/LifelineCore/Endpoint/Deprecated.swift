// Names of version 0.1, kept for one version.

@available(*, deprecated, renamed: "WebSocketRole")
public typealias Role = WebSocketRole

@available(*, deprecated, renamed: "MonotonicInstant")
public typealias Instant = MonotonicInstant

@available(*, deprecated, renamed: "Endpoint.Event")
public typealias Event = Endpoint.Event

@available(*, deprecated, renamed: "Endpoint.Delivery")
public typealias Delivery = Endpoint.Delivery

@available(*, deprecated, renamed: "Endpoint.SendError")
public typealias SendError = Endpoint.SendError

@available(*, deprecated, renamed: "Endpoint.TransportRequest")
public typealias TransportRequest = Endpoint.TransportRequest
