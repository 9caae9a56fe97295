import LifelineCore
package import NIOCore

/// Pauses a listening channel of SwiftNIO after an error of `accept`. Otherwise the connection that waits would make the channel
/// try again at once, forever.
package final class AcceptPause: ChannelInboundHandler {
    package typealias InboundIn = any Channel

    /// How long to wait before accepting again when the process, or the system, has run out of a resource.
    static let pause = Duration.milliseconds(100)

    private let failed: @Sendable (String) -> Void

    private init(_ failed: @escaping @Sendable (String) -> Void) {
        self.failed = failed
    }

    /// Adds the handler to a listening channel.
    ///
    /// - Parameter failed: Called with the reason each time a connection could not be accepted.
    package static func add(
        to channel: any Channel, _ failed: @escaping @Sendable (String) -> Void
    ) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(AcceptPause(failed))
        }
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        failed(NetworkErrorText.describe(error))
        let channel = context.channel
        // Setting options only fails if the channel is closed.
        try? channel.syncOptions?.setOption(.autoRead, value: false)
        context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(AcceptPause.pause)) {
            try? channel.syncOptions?.setOption(.autoRead, value: true)
        }
    }
}
