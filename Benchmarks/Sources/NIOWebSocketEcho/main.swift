// SwiftNIO's own WebSocket support, put together the way its documentation and examples show it.

import EchoServerSupport
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket

let options = EchoServerOptions()

let server = try ServerBootstrap(group: MultiThreadedEventLoopGroup(numberOfThreads: options.loops))
    .serverChannelOption(.backlog, value: 4_096)
    .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
    .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
    .childChannelInitializer { channel in
        let upgrader = NIOWebSocketServerUpgrader(
            maxFrameSize: 1 << 24,
            shouldUpgrade: { channel, _ in channel.eventLoop.makeSucceededFuture([:]) },
            upgradePipelineHandler: { channel, head in
                channel.eventLoop.makeCompletedFuture {
                    if head.uri == "/push" {
                        try channel.pipeline.syncOperations.addHandler(
                            WebSocketPushHandler(subscribers: .of(channel.eventLoop)))
                    } else {
                        try channel.pipeline.syncOperations.addHandler(WebSocketEchoHandler())
                    }
                }
            }
        )
        return channel.pipeline.configureHTTPServerPipeline(
            withServerUpgrade: (upgraders: [upgrader], completionHandler: { _ in })
        )
    }
    .bind(host: "127.0.0.1", port: options.port)
    .wait()

announce(port: server.localAddress?.port ?? options.port)
try server.closeFuture.wait()
