/// The certificate and key with which a server identifies itself for `wss`. TLS 1.2 and 1.3 are supported.
public struct ServerTLS: Hashable, Sendable {
    /// The server's certificate, followed by the intermediate certificates in order; the root is not needed.
    public var certificateChain: PEMSource
    /// The private key of the server's certificate.
    public var privateKey: PEMSource

    /// Creates a TLS configuration.
    public init(certificateChain: PEMSource, privateKey: PEMSource) {
        self.certificateChain = certificateChain
        self.privateKey = privateKey
    }
}
