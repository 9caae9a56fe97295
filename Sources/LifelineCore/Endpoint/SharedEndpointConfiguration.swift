/// Limits and times that many connections share, in one place of memory.
package final class SharedEndpointConfiguration: Sendable {
    /// The limits and times.
    package let value: EndpointConfiguration

    /// Shares a configuration.
    package init(_ value: EndpointConfiguration) {
        self.value = value
    }
}
