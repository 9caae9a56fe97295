import LifelineCore
import NIOCore
import NIOPosix
import NIOTLS

/// A transport over a SwiftNIO channel: one channel handler.
final class NIOTransport: ChannelInboundHandler, Transport {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Whether read buffers come straight from a socket, and may be changed in place.
    private let ownsReadBuffers: Bool
    private let loop: Loop
    private let buffers: NIOBufferPool
    private let makeConnection: (NIOTransport, any Channel) -> Connection
    @exclusivity(unchecked) private var connection: Connection?
    @exclusivity(unchecked) private var context: ChannelHandlerContext?
    /// Whether this side has closed the channel, or the channel has failed. Its end then is not the peer's.
    private var hasEndedOtherwise = false
    /// Whether this side has ended its side of TCP.
    private var outputIsShutDown = false
    /// The bytes that the connection has handed over.
    @exclusivity(unchecked) private var handedOver = 0
    /// The bytes that had been written when that was last looked up.
    private var writtenBytes = 0
    /// A copy of the channel's flag, because it is read for each message.
    @exclusivity(unchecked) private(set) var isWritable = true {
        didSet { connection?.transportIsWritable = isWritable }
    }

    /// - Parameters:
    ///   - engine: The engine to which the event loop belongs.
    ///   - eventLoop: The channel's loop.
    ///   - ownsReadBuffers: Whether this is the first handler of its pipeline. TLS, for instance, comes before it.
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
            // The channel keeps a second reference in order to reuse the memory for the next read, and does not read its
            // contents. Because of that reference, a change through the buffer would copy it first. No other handler has it:
            // this one is the first of its pipeline.
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
            // After the output has been shut down, the channel does not report the peer's end, but becomes inactive.
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
        loop.assertOnLoop()
        handedOver &+= payload.readableBytes
        context?.write(wrapOutboundOut(payload), promise: nil)
    }

    @inline(__always)
    func write(lent bytes: UnsafeRawBufferPointer) {
        loop.assertOnLoop()
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
        // Only fails if the channel is closed. What it had not written by then is never written.
        if let pending = try? context?.channel.syncOptions?.getOption(.bufferedWritableBytes) {
            writtenBytes = handedOver - pending
        }
        return handedOver - writtenBytes
    }

    func setOutboundMarks(_ marks: BufferLimits.Marks) {
        loop.assertOnLoop()
        // Only fails if the channel is closed.
        try? context?.channel.syncOptions?.setOption(.writeBufferWaterMark, value: .init(marks))
    }

    func setReading(_ reads: Bool) {
        loop.assertOnLoop()
        // Only fails if the channel is closed.
        try? context?.channel.syncOptions?.setOption(.autoRead, value: reads)
    }

    func shutdownOutput() {
        loop.assertOnLoop()
        outputIsShutDown = true
        context?.close(mode: .output, promise: nil)
    }

    func close() {
        loop.assertOnLoop()
        guard let context else { return }
        hasEndedOtherwise = true
        // Closing a channel drops what has not been written. So an empty write goes last, and the channel is closed after it.
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
