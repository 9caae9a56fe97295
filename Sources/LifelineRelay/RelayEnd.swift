import Lifeline
import NIOCore
import NIOPosix
import NIOTLS

/// The channel of one side of a relayed connection.
final class RelayEnd: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let side: WebSocketRole
    private let connection: RelayedConnection
    private let tls: (any ChannelHandler)?
    private var context: ChannelHandlerContext?
    private var isReading = false
    /// Whether the peer has ended its output.
    private(set) var inputHasEnded = false
    /// Whether the peer was sent FIN.
    private(set) var outputHasEnded = false
    /// Whether the relay has closed the channel.
    private(set) var isClosed = false
    /// Why the channel has failed.
    private(set) var failure: String?
    /// Whether bytes can pass: TCP is established, and TLS if it is used.
    private(set) var isOpen = false

    init(_ side: WebSocketRole, _ connection: RelayedConnection, _ tls: (any ChannelHandler)?) {
        self.side = side
        self.connection = connection
        self.tls = tls
    }

    /// The peer's address.
    var peer: String { context?.channel.remoteAddress?.name ?? "unknown" }

    // MARK: From the channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { begin(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    private var hasBegun = false

    private func begin(_ context: ChannelHandlerContext) {
        guard !hasBegun else { return }
        hasBegun = true
        guard connection.attached(self) else {
            isClosed = true
            context.close(promise: nil)
            return
        }
        if tls == nil {
            isOpen = true
            connection.opened(side, nil)
        } else {
            // TLS goes on reading by itself until it has something for this handler.
            read()
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        connection.received(unwrapInboundIn(data), from: side)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        connection.readCompleted(side)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { connection.drained(side) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent {
            endInput()
        } else if case TLSUserEvent.handshakeCompleted? = event as? TLSUserEvent {
            isOpen = true
            connection.opened(side, LifecycleEvent.TLSSummary(context))
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if TLSErrorText.isUncleanShutdown(error), isOpen {
            // FIN without a close_notify alert before it.
            endInput()
        } else {
            failure = failure ?? NetworkErrorText.describe(error)
        }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        isOpen = false
        if hasBegun { connection.closed(self) }
        context.fireChannelInactive()
    }

    private func endInput() {
        guard !inputHasEnded else { return }
        inputHasEnded = true
        connection.finished(side)
    }

    // MARK: From the connection

    var isWritable: Bool { context?.channel.isWritable ?? false }

    func read() {
        guard !isReading, !inputHasEnded, let context else { return }
        isReading = true
        context.read()
    }

    func write(_ bytes: ByteBuffer) {
        guard !outputHasEnded else { return }
        context?.write(wrapOutboundOut(bytes), promise: nil)
    }

    func flush() {
        context?.flush()
    }

    /// Sends FIN after what was written.
    func finish() {
        guard !outputHasEnded, let context else { return }
        outputHasEnded = true
        context.close(mode: .output, promise: nil)
    }

    /// Closes the connection, with FIN if it was not sent before.
    func close() {
        isClosed = true
        outermost?.close(promise: nil)
    }

    /// Closes the connection with RST.
    func reset() {
        guard let context else { return }
        isClosed = true
        context.flush()
        _ = (context.channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
        outermost?.close(promise: nil)
    }

    /// The context that closes the channel at once: beyond TLS, which would send close_notify and wait for an answer.
    private var outermost: ChannelHandlerContext? {
        guard let context else { return nil }
        return tls.flatMap { try? context.pipeline.syncOperations.context(handler: $0) } ?? context
    }
}
