public import LifelineCore

// Names of version 0.1, kept for one version.

extension TraceEvent {
    @available(*, deprecated, renamed: "WebSocketRole")
    public typealias Observer = WebSocketRole
}

extension SequenceDiagram {
    @available(*, deprecated, renamed: "WebSocketRole")
    public typealias Side = WebSocketRole
}
