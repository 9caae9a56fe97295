/// How a server proves who it is over TLS (`wss://`). TLS 1.2 and 1.3 are spoken.
public struct ServerTLS: Hashable, Sendable {
    /// The server's certificate, and those between it and a root, in this order.
    public var certificateChain: PEMSource
    /// The private key of the server's certificate.
    public var privateKey: PEMSource

    /// TLS with the given certificate and key.
    public init(certificateChain: PEMSource, privateKey: PEMSource) {
        self.certificateChain = certificateChain
        self.privateKey = privateKey
    }
}
