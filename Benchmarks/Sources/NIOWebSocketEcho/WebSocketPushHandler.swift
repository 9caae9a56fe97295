import NIOCore
import NIOWebSocket
import Synchronization

/// The connections of a loop that all receive what arrives on one of them. Touched on the loop's thread only.
final class Subscribers: @unchecked Sendable {
    private static let all = Mutex<[ObjectIdentifier: Subscribers]>([:])

    static func of(_ loop: any EventLoop) -> Subscribers {
        self.all.withLock { all in
            if let subscribers = all[ObjectIdentifier(loop)] { return subscribers }
            let subscribers = Subscribers()
            all[ObjectIdentifier(loop)] = subscribers
            return subscribers
        }
    }

    private var channels: [ObjectIdentifier: any Channel] = [:]

    func add(_ channel: any Channel) {
        self.channels[ObjectIdentifier(channel)] = channel
    }

    func remove(_ channel: any Channel) {
        self.channels[ObjectIdentifier(channel)] = nil
    }

    func push(_ frame: WebSocketFrame) {
        for channel in self.channels.values { channel.writeAndFlush(frame, promise: nil) }
    }
}

/// Sends each unfragmented message to all subscribers.
final class WebSocketPushHandler: ChannelInboundHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundOut = WebSocketFrame

    private let subscribers: Subscribers

    init(subscribers: Subscribers) {
        self.subscribers = subscribers
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.subscribers.add(context.channel)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.subscribers.remove(context.channel)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = Self.unwrapInboundIn(data)
        switch frame.opcode {
        case .text, .binary:
            self.subscribers.push(WebSocketFrame(fin: true, opcode: frame.opcode, data: frame.unmaskedData))
        case .connectionClose:
            context.close(promise: nil)
        default:
            break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
