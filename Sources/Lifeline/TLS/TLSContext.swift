package import NIOCore

#if TLS
private import NIOSSL

/// TLS as it is set up for the connections of a server or of a client.
package struct TLSContext: Sendable {
    /// TLS 1.0 and 1.1 must not be negotiated ([RFC 8996](https://www.rfc-editor.org/rfc/rfc8996)).
    private static let minimumVersion = TLSVersion.tlsv12

    private let context: NIOSSLContext

    /// Reads a server's certificate and key.
    package init(_ server: ServerTLS) throws(WebSocketError) {
        let chain = try Self.reading(server.certificateChain, "certificate") { try $0.certificates() }
        let key = try Self.reading(server.privateKey, "private key") { try $0.privateKey() }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = Self.minimumVersion
        configuration.applicationProtocols = ["http/1.1"]
        do {
            context = try NIOSSLContext(configuration: configuration)
        } catch {
            throw WebSocketError(
                .invalidConfiguration, "the certificate and the key cannot be used together", underlyingError: error)
        }
    }

    /// Reads the roots that a client trusts.
    package init(_ client: ClientTLS) throws(WebSocketError) {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = Self.minimumVersion
        configuration.applicationProtocols = ["http/1.1"]
        if let trustedRoots = client.trustedRoots {
            configuration.trustRoots = .certificates(
                try Self.reading(trustedRoots, "trusted roots") { try $0.certificates() })
        }
        // The TLS library checks the chain, up to a root. It would take a common name, or the address that was connected to, for the
        // name that was asked for (RFC 9525 does not): names are ServerCertificateCheck's.
        configuration.certificateVerification = client.verifiesServer ? .noHostnameVerification : .none
        do {
            context = try NIOSSLContext(configuration: configuration)
        } catch {
            throw WebSocketError(.invalidConfiguration, "TLS cannot be set up", underlyingError: error)
        }
    }

    /// Reads PEM and says which could not be read.
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

    /// Has a server's channel speak TLS.
    ///
    /// - Returns: The handler that does.
    @discardableResult
    package func addServerHandler(to channel: any Channel) throws -> any ChannelHandler {
        let handler = NIOSSLServerHandler(context: context)
        try channel.pipeline.syncOperations.addHandler(handler)
        return handler
    }

    /// Has a client's channel speak TLS.
    ///
    /// - Parameter host: Whom the client means to reach, whom the server's certificate must name unless nothing is to be checked.
    /// - Returns: The handler that does.
    @discardableResult
    package func addClientHandler(for host: String, to channel: any Channel) throws -> any ChannelHandler {
        // An address is no server name, nor has one a dot at its end (RFC 6066 §3).
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
    /// What the TLS handler of a channel has agreed on.
    package init(_ context: ChannelHandlerContext) {
        // They only fail where there is no TLS handler.
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
/// TLS as it is set up for connections; this build has no TLS, and so there is never a value.
package struct TLSContext: Sendable {
    private let never: Never

    package init(_ server: ServerTLS) throws(WebSocketError) { throw Self.leftOut }

    package init(_ client: ClientTLS) throws(WebSocketError) { throw Self.leftOut }

    private static var leftOut: WebSocketError {
        WebSocketError(
            .invalidConfiguration,
            "there is no TLS in this build: the package trait TLS, which is on by default, is off")
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
