public import HTTPTypes

// Names of version 0.1, kept for one version.

extension MonotonicInstant {
    @available(*, deprecated, message: "Use earlier.duration(to: self).")
    public func duration(since earlier: MonotonicInstant) -> Duration {
        earlier.duration(to: self)
    }
}

extension CompressionBudget {
    @available(*, deprecated, renamed: "bytesInUse")
    public var size: Int { bytesInUse }
}

extension HandshakeRefusal {
    @available(*, deprecated, renamed: "init(reason:status:message:headerFields:)")
    public init(_ reason: Reason, status: HTTPResponse.Status, message: String, headerFields: HTTPFields = [:]) {
        self.init(reason: reason, status: status, message: message, headerFields: headerFields)
    }
}
