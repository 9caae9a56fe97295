import Foundation
import Lifeline
import LifelineLocks
import NIOCore
import NIOPosix

/// A TCP connection that speaks bytes, for one end of a real connection.
final class RawSocket: Sendable {
    private struct State {
        var bytes: [UInt8] = []
        var hasEnded = false
        var wasReset = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Lock(State())
    private let channel = Lock<(any Channel)?>(nil)

    private init() {}

    // MARK: Making connections

    /// Connects to a server.
    static func connect(to address: ServerAddress) async throws -> RawSocket {
        let socket = RawSocket()
        let bootstrap = ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { socket.begin($0) }
        if let port = address.port {
            _ = try await bootstrap.connect(host: "127.0.0.1", port: port).get()
        } else {
            _ = try await bootstrap.connect(unixDomainSocketPath: "\(address)").get()
        }
        return socket
    }

    /// Listens for as long as `body` runs, and gives each connection to a function.
    static func listen<Result>(
        _ accept: @escaping @Sendable (RawSocket) async throws -> Void, _ body: (Int) async throws -> Result
    ) async throws -> Result {
        let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                let socket = RawSocket()
                Task(executorPreference: OffThePool.executor) { try await accept(socket) }
                return socket.begin(channel)
            }
            .bind(host: "127.0.0.1", port: 0).get()
        do {
            let result = try await body(channel.localAddress?.port ?? 0)
            try await channel.close()
            return result
        } catch {
            try? await channel.close()
            throw error
        }
    }

    private func begin(_ channel: any Channel) -> EventLoopFuture<Void> {
        self.channel.withLock { $0 = channel }
        return channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(Handler(self))
        }
    }

    // MARK: Output

    /// Sends bytes; where the connection has ended, nothing happens.
    func send(_ bytes: [UInt8]) {
        guard let channel = channel.withLock({ $0 }) else { return }
        channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
    }

    func send(_ text: String) { send(Array(text.utf8)) }

    func send(_ head: HandshakeText) { send(head.bytes) }

    func send(_ frames: WireFrame...) { send(frames.flatMap(\.bytes)) }

    /// Ends this side of TCP.
    func end() { channel.withLock { $0 }?.close(mode: .output, promise: nil) }

    /// Closes the connection, and returns once that is done.
    func close() async { try? await channel.withLock { $0 }?.close() }

    /// Closes the connection with a reset.
    func reset() async throws {
        guard let channel = channel.withLock({ $0 }) else { return }
        try await (channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
        await close()
    }

    /// Stops reading, or reads on.
    func setReading(_ reads: Bool) async throws {
        try await channel.withLock { $0 }?.setOption(.autoRead, value: reads).get()
    }

    // MARK: Input

    /// What has arrived so far.
    var bytes: [UInt8] { state.withLock { $0.bytes } }

    var text: String { String(decoding: bytes, as: UTF8.self) }

    var wasReset: Bool { state.withLock { $0.wasReset } }

    /// Takes the head that comes first.
    func takeHead() async -> String {
        await wait { String(decoding: $0, as: UTF8.self).contains("\r\n\r\n") }
        return state.withLock { state in
            guard let end = state.bytes.indices.first(where: { state.bytes[$0...].starts(with: [13, 10, 13, 10]) })
            else { return String(decoding: state.bytes, as: UTF8.self) }
            let head = String(decoding: state.bytes[..<end], as: UTF8.self)
            state.bytes.removeFirst(end + 4)
            return head
        }
    }

    /// Takes as many bytes of what has arrived, or all where fewer have.
    func takeBytes(_ count: Int) -> [UInt8] {
        state.withLock { state in
            let taken = Array(state.bytes.prefix(count))
            state.bytes.removeFirst(taken.count)
            return taken
        }
    }

    /// Takes as many frames.
    func takeFrames(_ count: Int) async throws -> [WireFrame] {
        await wait { ((try? WireFrame.parse($0))?.count ?? 0) >= count }
        return try WireFrame.parse(
            state.withLock { state in
                defer { state.bytes = [] }
                return state.bytes
            })
    }

    /// Waits until the other side has ended the connection.
    func ended() async { await wait { _ in false } }

    /// Waits until what has arrived is enough, or nothing more will come.
    func wait(until isEnough: ([UInt8]) -> Bool) async {
        while true {
            // At one look: what came between two would be waited for in vain.
            let count = state.withLock { $0.hasEnded || isEnough($0.bytes) ? nil : $0.bytes.count }
            guard let count else { return }
            await withCheckedContinuation { continuation in
                let goesOn = state.withLock { state in
                    if state.hasEnded || state.bytes.count != count { return true }
                    state.waiter = continuation
                    return false
                }
                if goesOn { continuation.resume() }
            }
        }
    }

    private func change(_ change: (inout State) -> Void) {
        let waiter = state.withLock { state in
            change(&state)
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let socket: RawSocket

        init(_ socket: RawSocket) {
            self.socket = socket
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = unwrapInboundIn(data)
            socket.change { $0.bytes += bytes.readableBytesView }
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case ChannelEvent.inputClosed? = event as? ChannelEvent { socket.change { $0.hasEnded = true } }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            socket.change {
                $0.hasEnded = true
                $0.wasReset = true
            }
            context.close(promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) {
            socket.change { $0.hasEnded = true }
            socket.channel.withLock { $0 = nil }
        }
    }
}
