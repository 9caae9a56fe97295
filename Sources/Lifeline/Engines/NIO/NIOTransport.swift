import LifelineCore
import NIOCore
import NIOPosix
import NIOTLS

/// The SwiftNIO engine's side of a connection: one channel handler.
final class NIOTransport: ChannelInboundHandler, Transport {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Whether the buffers that arrive come straight from a socket, and may be changed in place.
    private let ownsReadBuffers: Bool
    private let loop: Loop
    private let buffers: NIOBufferPool
    private let makeConnection: (NIOTransport, any Channel) -> Connection
    @exclusivity(unchecked) private var connection: Connection?
    @exclusivity(unchecked) private var context: ChannelHandlerContext?
    /// Whether this side has closed the channel, or it has failed: its end says nothing about the peer then.
    private var hasEndedOtherwise = false
    /// Whether this side has ended its side of TCP.
    private var outputIsShutDown = false
    /// The bytes that have been handed over.
    @exclusivity(unchecked) private var handedOver = 0
    /// How many of them had been written when that was last asked.
    private var writtenBytes = 0
    /// The channel's own word, kept here: it is asked for with each message.
    @exclusivity(unchecked) private(set) var isWritable = true {
        didSet { connection?.transportIsWritable = isWritable }
    }

    /// - Parameters:
    ///   - engine: The engine, to one of whose loops the channel belongs.
    ///   - eventLoop: The channel's loop.
    ///   - ownsReadBuffers: Whether no other handler, TLS for instance, stands between the socket and this one.
    ///   - makeConnection: Makes the connection once the channel is active.
    init(
        _ engine: NIOEngine, _ eventLoop: any EventLoop, ownsReadBuffers: Bool,
        makeConnection: @escaping (NIOTransport, any Channel) -> Connection
    ) {
        loop = engine.loop(of: eventLoop)
        buffers = engine.buffers(of: eventLoop)
        self.ownsReadBuffers = ownsReadBuffers
        self.makeConnection = makeConnection
    }

    // MARK: From the channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { begin(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        end()
    }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    private func begin(_ context: ChannelHandlerContext) {
        loop.assertOnLoop()
        guard connection == nil else { return }
        let connection = makeConnection(self, context.channel)
        self.connection = connection
        connection.established()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let connection else { return }
        var buffer = unwrapInboundIn(data)
        if ownsReadBuffers {
            // The channel keeps a second reference, so that it can use the memory for the next read, and never looks at
            // what is in it. Changing it through the buffer would copy it first. Nobody else has it: this handler is the
            // first of its pipeline.
            buffer.withUnsafeReadableBytes { bytes in
                connection.received(UnsafeMutableRawBufferPointer(mutating: bytes))
            }
        } else {
            buffer.withUnsafeMutableReadableBytes { bytes in
                connection.received(bytes)
            }
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent {
            connection?.inputEnded()
        } else if case TLSUserEvent.handshakeCompleted? = event as? TLSUserEvent {
            connection?.observe(.secured(LifecycleEvent.TLSSummary(context)))
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        isWritable = context.channel.isWritable
        if isWritable { connection?.outputDrained() }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        hasEndedOtherwise = true
        connection?.failed(NetworkErrorText.describe(error), error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    private func end() {
        loop.assertOnLoop()
        context = nil
        isWritable = false
        if let connection {
            self.connection = nil
            // Once the output has been shut down, the channel does not report the peer's end, but ends itself with it.
            if !hasEndedOtherwise {
                if outputIsShutDown {
                    connection.inputEnded()
                } else {
                    connection.failed("the peer reset the connection")
                }
            }
            connection.terminated()
        }
    }

    // MARK: From the connection

    @inline(__always)
    func write(_ block: OutputBlock) {
        write(lent: block.bytes)
        loop.recycle(block)
    }

    func write(_ payload: ByteBuffer) {
        handedOver &+= payload.readableBytes
        context?.write(wrapOutboundOut(payload), promise: nil)
    }

    @inline(__always)
    func write(lent bytes: UnsafeRawBufferPointer) {
        handedOver &+= bytes.count
        guard let context else { return }
        let buffer = buffers.take(bytes)
        context.write(wrapOutboundOut(buffer), promise: nil)
        buffers.recycle(buffer)
    }

    @inline(__always)
    func flush() {
        context?.flush()
    }

    var pendingBytes: Int {
        loop.assertOnLoop()
        // Only fails where the channel is closed. What it had not written then, it never will.
        if let pending = try? context?.channel.syncOptions?.getOption(.bufferedWritableBytes) {
            writtenBytes = handedOver - pending
        }
        return handedOver - writtenBytes
    }

    func setReading(_ reads: Bool) {
        loop.assertOnLoop()
        // Only fails where the channel is closed.
        try? context?.channel.syncOptions?.setOption(.autoRead, value: reads)
    }

    func shutdownOutput() {
        loop.assertOnLoop()
        outputIsShutDown = true
        context?.close(mode: .output, promise: nil)
    }

    func close() {
        guard let context else { return }
        hasEndedOtherwise = true
        // Closing drops what has not been written, so an empty write goes last and closes behind it.
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: written)
        let channel = context.channel
        written.futureResult.whenComplete { _ in channel.close(promise: nil) }
    }

    func abort() {
        loop.assertOnLoop()
        hasEndedOtherwise = true
        context?.close(mode: .all, promise: nil)
    }
}
