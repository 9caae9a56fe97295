import NIOCore
import NIOWebSocket

/// Echoes data frames, fragments as they come; answers ping and close.
final class WebSocketEchoHandler: ChannelInboundHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundOut = WebSocketFrame

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = Self.unwrapInboundIn(data)
        switch frame.opcode {
        case .text, .binary, .continuation:
            self.write(WebSocketFrame(fin: frame.fin, opcode: frame.opcode, data: frame.unmaskedData), to: context)
        case .ping:
            self.write(WebSocketFrame(fin: true, opcode: .pong, data: frame.unmaskedData), to: context)
        case .connectionClose:
            var reason = frame.unmaskedData
            let code = reason.readSlice(length: 2) ?? ByteBuffer()
            self.write(WebSocketFrame(fin: true, opcode: .connectionClose, data: code), to: context)
            context.flush()
            context.close(promise: nil)
        default:
            break
        }
    }

    /// Flushing only here sends all the replies to one read together.
    func channelReadComplete(context: ChannelHandlerContext) {
        context.flush()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func write(_ frame: WebSocketFrame, to context: ChannelHandlerContext) {
        context.write(Self.wrapOutboundOut(frame), promise: nil)
    }
}
