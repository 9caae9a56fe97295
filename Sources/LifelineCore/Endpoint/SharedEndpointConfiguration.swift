/// A configuration that many connections share, so that each of them stores only a reference.
package final class SharedEndpointConfiguration: Sendable {
    /// The configuration.
    package let value: EndpointConfiguration

    /// Creates a shared configuration.
    package init(_ value: EndpointConfiguration) {
        self.value = value
    }
}
