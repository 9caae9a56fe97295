// The floor that a WebSocket server on SwiftNIO cannot get below: an echo without the protocol.
//
// --fake (the default) sends the bytes it received straight back. The generator has to be told with --raw.
// --frames does the least that is a valid echo of unfragmented messages: it finds each frame, unmasks it while copying
//   it out and puts a server's head before it. No checks, no control frames: the rest is what SwiftNIO itself costs.

import EchoServerSupport
import NIOCore
import NIOPosix

let options = EchoServerOptions(flags: ["--fake", "--frames"])
let parsesFrames = options.flags.contains("--frames")

let server = try ServerBootstrap(group: MultiThreadedEventLoopGroup(numberOfThreads: options.loops))
    .serverChannelOption(.backlog, value: 4_096)
    .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
    .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
    // A second read that only finds the socket empty costs a system call.
    .childChannelOption(.maxMessagesPerRead, value: 1)
    // Grows for large messages only: fewer, larger reads and writes.
    .childChannelOption(
        .recvAllocator,
        value: AdaptiveRecvByteBufferAllocator(minimum: 2_048, initial: 2_048, maximum: 1 << 20)
    )
    .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
            let pipeline = channel.pipeline.syncOperations
            if parsesFrames {
                try pipeline.addHandler(FakeUpgradeHandler { FrameEchoHandler() })
            } else {
                try pipeline.addHandler(FakeUpgradeHandler { ByteEchoHandler() })
            }
        }
    }
    .bind(host: "127.0.0.1", port: options.port)
    .wait()

announce(port: server.localAddress?.port ?? options.port)
try server.closeFuture.wait()
