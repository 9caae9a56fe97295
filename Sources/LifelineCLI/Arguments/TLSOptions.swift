import ArgumentParser
import Lifeline

/// How a client checks the server's certificate.
struct ClientTLSOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Trust the certificates in this PEM file instead of the system's.", valueName: "file"))
    var cacert: String?

    @Flag(
        help:
            "Do not check the server's certificate. An attacker between client and server can then read and change everything."
    )
    var insecure = false

    var configuration: ClientTLS { ClientTLS(trustedRoots: cacert.map { .file($0) }, verifiesServer: !insecure) }
}

/// The certificate with which a server speaks TLS.
struct ServerTLSOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Serve wss:// with the certificate chain in this PEM file.", valueName: "file"))
    var tlsCert: String?

    @Option(help: ArgumentHelp("The PEM file with the certificate's private key.", valueName: "file"))
    var tlsKey: String?

    func validate() throws {
        guard (tlsCert == nil) == (tlsKey == nil) else {
            throw ValidationError("--tls-cert and --tls-key must be given together")
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
