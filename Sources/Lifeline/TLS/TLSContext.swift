package import NIOCore

#if TLS
private import NIOSSL

/// The TLS settings of the connections of a server or a client.
package struct TLSContext: Sendable {
    /// TLS 1.0 and 1.1 must not be negotiated ([RFC 8996](https://www.rfc-editor.org/rfc/rfc8996)).
    private static let minimumVersion = TLSVersion.tlsv12

    private let context: NIOSSLContext

    /// Reads the certificate chain and the private key of a server.
    ///
    /// - Throws: ``WebSocketError`` with the code `invalidConfiguration`.
    package init(_ server: ServerTLS) throws(WebSocketError) {
        let chain = try Self.reading(server.certificateChain, "certificate") { try $0.certificates() }
        let key = try Self.reading(server.privateKey, "private key") { try $0.privateKey() }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        context = try Self.context(&configuration, orThrow: "the private key does not match the certificate")
    }

    /// Reads the trusted roots of a client.
    ///
    /// - Throws: ``WebSocketError`` with the code `invalidConfiguration`.
    package init(_ client: ClientTLS) throws(WebSocketError) {
        var configuration = TLSConfiguration.makeClientConfiguration()
        if let trustedRoots = client.trustedRoots {
            configuration.trustRoots = .certificates(
                try Self.reading(trustedRoots, "trusted roots") { try $0.certificates() })
        }
        // BoringSSL verifies the chain up to a root. Names are left to ServerCertificateCheck: SwiftNIO would accept a common name
        // or the address of the connection for the requested name, which RFC 9525 does not allow.
        configuration.certificateVerification = client.verifiesServer ? .noHostnameVerification : .none
        context = try Self.context(&configuration, orThrow: "the TLS context cannot be created")
    }

    /// Creates a context with the configuration that servers and clients share.
    private static func context(
        _ configuration: inout TLSConfiguration, orThrow message: String
    ) throws(WebSocketError) -> NIOSSLContext {
        configuration.minimumTLSVersion = minimumVersion
        configuration.applicationProtocols = ["http/1.1"]
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw WebSocketError(.invalidConfiguration, message, underlyingError: error)
        }
    }

    /// Reads PEM.
    ///
    /// - Throws: ``WebSocketError`` that names what could not be read, and where from.
    private static func reading<Value>(
        _ pem: PEMSource, _ what: String, _ read: (PEMSource) throws -> Value
    ) throws(WebSocketError) -> Value {
        do {
            return try read(pem)
        } catch {
            throw WebSocketError(
                .invalidConfiguration, "the \(what) cannot be read from \(pem.name)", underlyingError: error)
        }
    }

    /// Adds a TLS handler to the channel of a server's connection.
    ///
    /// - Returns: The handler.
    @discardableResult
    package func addServerHandler(to channel: any Channel) throws -> any ChannelHandler {
        let handler = NIOSSLServerHandler(context: context)
        try channel.pipeline.syncOperations.addHandler(handler)
        return handler
    }

    /// Adds a TLS handler to the channel of a client's connection.
    ///
    /// - Parameter host: The name or address that the server's certificate must contain, unless the client does not verify it.
    /// - Returns: The handler.
    @discardableResult
    package func addClientHandler(for host: String, to channel: any Channel) throws -> any ChannelHandler {
        // A server name is not an address, and has no dot at its end (RFC 6066 §3).
        let serverName = host.hasSuffix(".") ? String(host.dropLast()) : host
        let handler = try NIOSSLClientHandler(
            context: context, serverHostname: IPAddressBytes.bytes(of: host) == nil ? serverName : nil)
        try channel.pipeline.syncOperations.addHandler(handler)
        if context.configuration.certificateVerification != .none {
            try channel.pipeline.syncOperations.addHandler(ServerCertificateCheck(handler, host: host))
        }
        return handler
    }
}

extension PEMSource {
    fileprivate func certificates() throws -> [NIOSSLCertificate] {
        switch source {
        case .file(let path): try NIOSSLCertificate.fromPEMFile(path)
        case .text(let text): try NIOSSLCertificate.fromPEMBytes(Array(text.utf8))
        }
    }

    fileprivate func privateKey() throws -> NIOSSLPrivateKey {
        switch source {
        case .file(let path): try NIOSSLPrivateKey(file: path, format: .pem)
        case .text(let text): try NIOSSLPrivateKey(bytes: Array(text.utf8), format: .pem)
        }
    }
}

extension LifecycleEvent.TLSSummary {
    /// Describes what the TLS handler of a channel has negotiated.
    package init(_ context: ChannelHandlerContext) {
        // The calls only fail if there is no TLS handler.
        let pipeline = context.pipeline.syncOperations
        let found = (try? pipeline.nioSSL_tlsVersion()) ?? nil
        version =
            switch found {
            case .tlsv1: "TLSv1"
            case .tlsv11: "TLSv1.1"
            case .tlsv12: "TLSv1.2"
            case .tlsv13: "TLSv1.3"
            case nil: "TLS"
            }
        peerCertificate = ((try? pipeline.nioSSL_peerCertificate()) ?? nil).map { "\($0)" }
    }
}
#else
/// TLS settings. This build has no TLS, so there is never a value.
package struct TLSContext: Sendable {
    private let never: Never

    package init(_ server: ServerTLS) throws(WebSocketError) { throw Self.leftOut }

    package init(_ client: ClientTLS) throws(WebSocketError) { throw Self.leftOut }

    private static var leftOut: WebSocketError {
        WebSocketError(
            .invalidConfiguration,
            "this build has no TLS: the package trait TLS, which is on by default, is off")
    }

    @discardableResult
    package func addServerHandler(to channel: any Channel) throws -> any ChannelHandler { switch never {} }

    @discardableResult
    package func addClientHandler(for host: String, to channel: any Channel) throws -> any ChannelHandler {
        switch never {}
    }
}

extension LifecycleEvent.TLSSummary {
    package init(_ context: ChannelHandlerContext) {
        (version, peerCertificate) = ("TLS", nil)
    }
}
#endif
