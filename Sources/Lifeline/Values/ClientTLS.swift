/// Whom a client trusts over TLS (`wss://`). TLS 1.2 and 1.3 are spoken.
///
/// The server's certificate must come from a trusted root, be valid now, and name the URL's host: a name among its DNS names, an
/// address among its IP addresses ([RFC 9525](https://www.rfc-editor.org/rfc/rfc9525)). A common name does not count.
public struct ClientTLS: Hashable, Sendable {
    /// The roots to trust; `nil`, the default, trusts those of the system.
    public var trustedRoots: PEMSource?
    /// Whether the server's certificate and name are checked. Default: `true`. Without the check, whoever sits between
    /// can read and change everything; for tests only.
    public var verifiesServer: Bool

    /// TLS with the given trust.
    public init(trustedRoots: PEMSource? = nil, verifiesServer: Bool = true) {
        self.trustedRoots = trustedRoots
        self.verifiesServer = verifiesServer
    }
}
