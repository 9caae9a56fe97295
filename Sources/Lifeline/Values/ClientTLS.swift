/// The certificates that a client trusts for `wss`. TLS 1.2 and 1.3 are supported.
///
/// The server's certificate must chain to a trusted root, be valid now, and name the URL's host: a host name in its DNS
/// names, an address in its IP addresses ([RFC 9525](https://www.rfc-editor.org/rfc/rfc9525)). The common name is
/// ignored.
public struct ClientTLS: Hashable, Sendable {
    /// The root certificates to trust. Default: `nil`, which trusts those of the system.
    public var trustedRoots: PEMSource?
    /// Whether the server's certificate and name are verified. Default: `true`. Without verification, anyone on the
    /// network path can read and change all traffic; disable it in tests only.
    public var verifiesServer: Bool

    /// Creates a TLS configuration.
    public init(trustedRoots: PEMSource? = nil, verifiesServer: Bool = true) {
        self.trustedRoots = trustedRoots
        self.verifiesServer = verifiesServer
    }
}
