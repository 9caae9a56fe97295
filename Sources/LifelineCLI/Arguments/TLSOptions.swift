import ArgumentParser
import Lifeline

/// How a client checks the server's certificate.
struct ClientTLSOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Trust the certificates in this PEM file instead of the system's.", valueName: "file"),
        transform: FileName.parse)
    var cacert: String?

    @Flag(
        help:
            "Do not check the server's certificate. An attacker between client and server can then read and change everything."
    )
    var insecure = false

    /// Checks that the file of `--cacert` can be read and has certificates, if the URL needs them.
    func check(for url: WebSocketURL) throws(InputFailure) {
        guard let cacert, url.isSecure else { return }
        try InputFailure.checkReadable(cacert, "--cacert")
        try InputFailure.checkTLS("--cacert", "the file must have certificates in PEM form") {
            () throws(WebSocketError) in _ = try TLSContext(configuration)
        }
    }

    var configuration: ClientTLS { ClientTLS(trustedRoots: cacert.map { .file($0) }, verifiesServer: !insecure) }
}

/// The certificate with which a server speaks TLS.
struct ServerTLSOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Serve wss:// with the certificate chain in this PEM file.", valueName: "file"),
        transform: FileName.parse)
    var tlsCert: String?

    @Option(
        help: ArgumentHelp("The PEM file with the certificate's private key.", valueName: "file"),
        transform: FileName.parse)
    var tlsKey: String?

    func validate() throws {
        guard (tlsCert == nil) == (tlsKey == nil) else {
            throw ValidationError("--tls-cert and --tls-key must be given together")
        }
    }

    /// Checks that both files can be read, and that they have a certificate and its key.
    func check() throws(InputFailure) {
        guard let tlsCert, let tlsKey, let configuration else { return }
        try InputFailure.checkReadable(tlsCert, "--tls-cert")
        try InputFailure.checkReadable(tlsKey, "--tls-key")
        let needs = "both files must be in PEM form, and the key must be the certificate's"
        try InputFailure.checkTLS("--tls-cert, --tls-key", needs) { () throws(WebSocketError) in
            _ = try TLSContext(configuration)
        }
    }

    /// The certificate and its key, or `nil` to serve without TLS.
    var configuration: ServerTLS? {
        guard let tlsCert, let tlsKey else { return nil }
        return ServerTLS(certificateChain: .file(tlsCert), privateKey: .file(tlsKey))
    }

    /// `ws`, or `wss` with TLS.
    var scheme: String { tlsCert == nil ? "ws" : "wss" }
}
