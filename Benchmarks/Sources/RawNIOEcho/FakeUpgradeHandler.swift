import NIOCore

/// Answers whatever ends in an empty line with 101, then makes way for the echo.
final class FakeUpgradeHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let reply = ByteBuffer(
        string: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            // The right answer for the key the generator always sends, so that --frames passes its check.
            + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    )

    private let makeEcho: () -> any ChannelHandler
    private var request = ByteBuffer()

    init(makeEcho: @escaping () -> any ChannelHandler) {
        self.makeEcho = makeEcho
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var data = Self.unwrapInboundIn(data)
        self.request.writeBuffer(&data)
        guard self.request.readableBytesView.suffix(4).elementsEqual("\r\n\r\n".utf8) else { return }
        do {
            try context.pipeline.syncOperations.addHandler(self.makeEcho(), position: .after(self))
        } catch {
            context.fireErrorCaught(error)
            return
        }
        context.writeAndFlush(Self.wrapOutboundOut(Self.reply), promise: nil)
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }
}
