#if TLS
import LifelineCore
import NIOCore
import NIOSSL
import NIOTLS

/// Stands behind a client's TLS handler, and checks that the server's certificate names whom the client means to reach.
///
/// The TLS library has checked the chain by then. Until the check has passed, what is to be sent is held here, and what arrives is
/// dropped: no byte of the application's passes before. Where the library refuses a certificate, which it does without a reason, this
/// handler looks at the certificate for one.
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

    /// What waits for the check.
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
        // What becomes of a connection that was refused is nobody's concern.
        if case .refused = state { return }
        guard case TLSUserEvent.handshakeCompleted? = event as? TLSUserEvent, case .waiting = state else {
            return context.fireUserInboundEventTriggered(event)
        }
        guard let certificate = tls.peerCertificate else {
            return refuse(CertificateRefusal("the peer has shown no certificate"), context)
        }
        let names = CertificateNames(certificate)
        guard ServerIdentity(host: host).isNamed(by: names.all) else {
            return refuse(CertificateRefusal(names.refusal(of: host)), context)
        }
        context.fireUserInboundEventTriggered(event)
        // Whoever heard of it may have written something, which belongs behind what is held.
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
        // Past TLS, which would say good-bye, and wait for an answer; not from within its handshake.
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

/// A server's certificate that is not taken, and why.
struct CertificateRefusal: Error, CustomStringConvertible {
    let description: String
    let underlyingError: (any Error)?

    init(_ description: String, _ underlyingError: (any Error)? = nil) {
        self.description = description
        self.underlyingError = underlyingError
    }
}

/// Whom a certificate names.
struct CertificateNames {
    let all: [ServerIdentity.CertificateName]
    private let commonName: String?

    /// The most names that an error tells.
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

    /// That the certificate is for others than this host, and for whom.
    func refusal(of host: String) -> String {
        let kind =
            switch ServerIdentity(host: host) {
            case .address: "the address \(host), which must be among its IP addresses"
            case .name, .unnameable: "the name \(host), which must be among its DNS names"
            }
        return "the certificate is for another name: expected was \(kind); " + (description ?? "it names nobody")
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

    /// What others have written, fit to be read.
    static func shown(_ bytes: [UInt8]) -> String {
        let text = String(decoding: bytes.prefix(100), as: UTF8.self)
        return text.unicodeScalars.map { $0.isASCII && $0.value < 0x20 ? $0.escaped(asASCII: true) : String($0) }
            .joined()
            + (bytes.count > 100 ? "…" : "")
    }
}
#endif
