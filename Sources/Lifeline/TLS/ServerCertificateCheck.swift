#if TLS
import LifelineCore
import NIOCore
import NIOSSL
import NIOTLS

/// Checks that the server's certificate contains the name of the host. The handler comes after a client's TLS handler.
///
/// BoringSSL has verified the chain by then. Until the check has passed, this handler holds writes and drops reads, so that no
/// byte of the application passes before. If BoringSSL refuses a certificate, for which SwiftNIO reports no reason, this handler
/// looks for the reason in the certificate.
final class ServerCertificateCheck: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum State {
        case waiting
        case passed
        case refused
    }

    /// Calls that wait for the check.
    private enum Held {
        case write(NIOAny, EventLoopPromise<Void>?)
        case flush
        case closeOutput(EventLoopPromise<Void>?)
    }

    private let tls: NIOSSLClientHandler
    private let host: String
    private var state = State.waiting
    private var held: [Held] = []

    init(_ tls: NIOSSLClientHandler, host: String) {
        self.tls = tls
        self.host = host
    }

    // MARK: From TLS

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Events of a connection that has been refused are not passed on.
        if case .refused = state { return }
        guard case TLSUserEvent.handshakeCompleted? = event as? TLSUserEvent, case .waiting = state else {
            return context.fireUserInboundEventTriggered(event)
        }
        guard let certificate = tls.peerCertificate else {
            return refuse(CertificateRefusal("the server presented no certificate"), context)
        }
        let names = CertificateNames(certificate)
        guard ServerIdentity(host: host).isNamed(by: names.all) else {
            return refuse(CertificateRefusal(names.refusal(of: host)), context)
        }
        context.fireUserInboundEventTriggered(event)
        // The event may have caused the check to fail, or writes, which come after those that are held.
        guard case .waiting = state else { return }
        state = .passed
        let released = held
        held = []
        for item in released {
            switch item {
            case .write(let data, let promise): context.write(data, promise: promise)
            case .flush: context.flush()
            case .closeOutput(let promise): context.close(mode: .output, promise: promise)
            }
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .passed = state { context.fireChannelRead(data) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if case .waiting = state, TLSErrorText.isVerificationFailure(error), let certificate = tls.peerCertificate {
            context.fireErrorCaught(CertificateRefusal(TLSErrorText.describe(refused: certificate), error))
        } else {
            context.fireErrorCaught(error)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        drop(ChannelError.ioOnClosedChannel)
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        drop(ChannelError.ioOnClosedChannel)
    }

    private func refuse(_ refusal: CertificateRefusal, _ context: ChannelHandlerContext) {
        state = .refused
        drop(refusal)
        context.fireErrorCaught(refusal)
        // Closes the channel beneath TLS, because TLS would send close_notify and wait for the peer's. Not called
        // inside the handshake.
        context.eventLoop.assumeIsolated().execute { [tls] in
            try? context.pipeline.syncOperations.context(handler: tls).close(promise: nil)
        }
    }

    // MARK: To TLS

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch state {
        case .waiting: held.append(.write(data, promise))
        case .passed: context.write(data, promise: promise)
        case .refused: promise?.fail(ChannelError.ioOnClosedChannel)
        }
    }

    func flush(context: ChannelHandlerContext) {
        switch state {
        case .waiting: held.append(.flush)
        case .passed, .refused: context.flush()
        }
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if case .waiting = state, mode == .output {
            held.append(.closeOutput(promise))
        } else {
            context.close(mode: mode, promise: promise)
        }
    }

    private func drop(_ error: any Error) {
        let dropped = held
        held = []
        for item in dropped {
            switch item {
            case .write(_, let promise), .closeOutput(let promise): promise?.fail(error)
            case .flush: break
            }
        }
    }
}

/// The refusal of a server's certificate, with the reason.
struct CertificateRefusal: Error, CustomStringConvertible {
    let description: String
    let underlyingError: (any Error)?

    init(_ description: String, _ underlyingError: (any Error)? = nil) {
        self.description = description
        self.underlyingError = underlyingError
    }
}

/// The names in a certificate.
struct CertificateNames {
    let all: [ServerIdentity.CertificateName]
    private let commonName: String?

    /// The most names that an error lists.
    private static let maximumShown = 8

    init(_ certificate: NIOSSLCertificate) {
        all = certificate._subjectAlternativeNames().compactMap { name in
            switch name.nameType {
            case .dnsName: .name(Array(name.contents))
            case .ipAddress: .address(Array(name.contents))
            default: nil
            }
        }
        commonName = certificate.subjectName.last { $0.type == .commonName }?.value
    }

    /// Describes that the certificate is not for this host, and which names it has.
    func refusal(of host: String) -> String {
        let kind =
            switch ServerIdentity(host: host) {
            case .address: "the address \(host), which must be among its IP addresses"
            case .name, .unnameable: "the name \(host), which must be among its DNS names"
            }
        return "the certificate does not match the host: expected \(kind); " + (description ?? "it has no names")
    }

    private var description: String? {
        guard !all.isEmpty else {
            return commonName.map {
                "it has none, and the common name \(CertificateNames.shown(Array($0.utf8))) does not count (RFC 9525 §2)"
            }
        }
        let names = all.prefix(CertificateNames.maximumShown).map { name in
            switch name {
            case .name(let bytes): CertificateNames.shown(bytes)
            case .address(let bytes): IPAddressBytes.text(of: bytes)
            }
        }
        let more = all.count - names.count
        return "it is for " + names.joined(separator: ", ") + (more > 0 ? " and \(more) more" : "")
    }

    /// Returns the first 100 bytes as text, with control characters escaped.
    static func shown(_ bytes: [UInt8]) -> String {
        let text = String(decoding: bytes.prefix(100), as: UTF8.self)
        return text.unicodeScalars.map { $0.isASCII && $0.value < 0x20 ? $0.escaped(asASCII: true) : String($0) }
            .joined()
            + (bytes.count > 100 ? "…" : "")
    }
}
#endif
