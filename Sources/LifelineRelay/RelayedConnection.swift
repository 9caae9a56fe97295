import Lifeline
import LifelineCore
import NIOCore
import NIOPosix

/// One connection through a relay: two channels on one event loop, and what is on the way between them.
final class RelayedConnection {
    /// Something on the way to a side.
    private enum Item {
        case bytes(ByteBuffer)
        case finish
        case reset
    }

    /// One direction.
    private struct Lane {
        var items = CircularBuffer<(due: NIODeadline, item: Item)>()
        var bytes = 0
        var isScheduled = false
        /// When reading from the source stopped because the destination took no more; `nil` while the source is read.
        var pausedAt: NIODeadline?
        var hasReportedPause = false
    }

    let id: UInt64
    let eventLoop: any EventLoop
    private let relay: Relay
    private let latency: TimeAmount
    private var client: RelayEnd?
    private var server: RelayEnd?
    /// The two directions, each named after its source.
    private var fromClient = Lane()
    private var fromServer = Lane()
    private var isConnecting = false
    /// Whether both connections have been established.
    private var hasConnected = false
    private var hasEnded = false
    /// Whether arriving bytes are discarded.
    private var isDiscarding = false
    /// The answer to the client's request if the server cannot be reached, until it is sent.
    private var refusal: ByteBuffer?
    /// Whether the client's request is answered in the server's place.
    private var isRefusing = false
    /// Whether both channels are being closed.
    private var isEnding = false
    /// The bytes that have been passed on, in both directions together.
    private var passedBytes = 0
    /// Replaces `Host` in what the client sends, if configured.
    private var rewriter: HostRewriter?
    private var byteFaults: [(fault: RelayFault, after: Int)] = []

    /// A pause in reading is reported after so long.
    private static let reportedPause = TimeAmount.milliseconds(250)
    /// How long the answer in the server's place waits for the beginning of the client's request.
    private static let requestTimeout = TimeAmount.seconds(1)
    /// How long a connection whose bytes are discarded stays after one side has ended it.
    private static let deadTimeout = TimeAmount.seconds(60)

    init(_ relay: Relay, _ eventLoop: any EventLoop) {
        self.relay = relay
        id = relay.nextConnectionID()
        self.eventLoop = eventLoop
        latency = TimeAmount(relay.configuration.latency)
        for (fault, after) in relay.configuration.faults {
            if case .bytes(let count) = after { byteFaults.append((fault, count)) }
        }
        byteFaults.sort { $0.after < $1.after }
        if relay.configuration.rewritesHost {
            rewriter = HostRewriter(authority: relay.configuration.target.authority)
        }
    }

    private func emit(_ kind: RelayEvent.Kind) {
        relay.emit(id, kind)
    }

    private func schedule(_ time: TimeAmount, _ work: @escaping (RelayedConnection) -> Void) {
        eventLoop.assumeIsolated().scheduleTask(in: time) { [weak self] in
            if let self { work(self) }
        }
    }

    private func end(_ side: WebSocketRole) -> RelayEnd? { side == .client ? client : server }

    private func with<Result>(_ side: WebSocketRole, _ body: (inout Lane) -> Result) -> Result {
        side == .client ? body(&fromClient) : body(&fromServer)
    }

    // MARK: Establishing both connections

    /// Handles a new channel.
    ///
    /// - Returns: Whether it is used. If not, the caller closes it.
    func attached(_ end: RelayEnd) -> Bool {
        let timeout = TimeAmount(relay.configuration.connectTimeout)
        switch end.side {
        case .client:
            client = end
            relay.began(self)
            emit(.accepted(peer: end.peer))
        case .server:
            // Of several addresses, the first that answers is used.
            guard server == nil, !isEnding else { return false }
            server = end
        }
        schedule(timeout) { [weak end] connection in
            guard let end, !end.isOpen, !connection.isEnding else { return }
            connection.failedToOpen(end.side, "TLS took longer than \(connection.relay.configuration.connectTimeout)")
        }
        return true
    }

    /// Handles the moment from which bytes can pass to and from a side.
    func opened(_ side: WebSocketRole, _ tls: LifecycleEvent.TLSSummary?) {
        if side == .server { emit(.connected(peer: server?.peer ?? "unknown")) }
        if let tls { emit(.secured(side, tls)) }
        switch side {
        case .client: connect()
        case .server:
            isConnecting = false
            hasConnected = true
            for (fault, after) in relay.configuration.faults {
                guard case .time(let time) = after else { continue }
                schedule(TimeAmount(time)) { $0.apply(fault, after) }
            }
            drain(.client)
            requestRead(.client)
            requestRead(.server)
        }
    }

    private func connect() {
        guard !isEnding else { return }
        isConnecting = true
        let target = relay.configuration.target
        let context = relay.targetContext
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        ClientBootstrap(group: eventLoop)
            .connectTimeout(TimeAmount(relay.configuration.connectTimeout))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.autoRead, value: false)
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let tls = try context?.addClientHandler(for: target.host, to: channel)
                    try channel.pipeline.syncOperations.addHandler(RelayEnd(.server, bound.value, tls))
                }
            }
            .connect(host: target.hostWithZone, port: target.port)
            .whenFailure { error in
                let connection = bound.value
                guard connection.server == nil else { return }
                connection.failedToOpen(.server, NetworkErrorText.describe(error))
            }
    }

    /// Ends both sides, because one of them could not be established.
    private func failedToOpen(_ side: WebSocketRole, _ reason: String) {
        isConnecting = false
        if !isEnding {
            isEnding = true
            emit(side == .server ? .notConnected(reason: reason) : .failed(.client, reason: reason))
        }
        if side == .server, let client, client.isOpen, !client.inputHasEnded {
            refuse(client, reason)
        } else {
            client?.reset()
        }
        server?.reset()
        endIfDone()
    }

    /// Answers the client with 502 (RFC 9110 §15.6.3) in the server's place, and ends its connection.
    private func refuse(_ client: RelayEnd, _ reason: String) {
        let body = "cannot connect to \(relay.configuration.target.authority): \(reason)\n"
        let head =
            "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: \(body.utf8.count)\r\n"
            + "Connection: close\r\n\r\n"
        refusal = ByteBuffer(string: head + body)
        isRefusing = true
        // Unread bytes of the request would make TCP reset the connection before the client has read the answer.
        isDiscarding = true
        requestRead(.client)
        // The answer follows the request, so that observers see both, in this order.
        schedule(RelayedConnection.requestTimeout) { $0.sendRefusal() }
    }

    /// Sends the client the answer in the server's place, unless it was sent before.
    private func sendRefusal() {
        guard let answer = refusal.take(), let client, client.isOpen else { return }
        emit(.answered(answer))
        client.write(answer)
        client.flush()
        client.finish()
        schedule(Relay.closeTimeout) { $0.closeAll() }
    }

    // MARK: Passing bytes on

    func received(_ bytes: ByteBuffer, from side: WebSocketRole) {
        if side == .server { rewriter?.follow(bytes) }
        // The bytes that are passed on are counted and reported, not those that arrived.
        var rest = side == .client ? rewriter?.rewrite(bytes) ?? bytes : bytes
        while let (fault, after) = byteFaults.first, passedBytes + rest.readableBytes >= after {
            let part = rest.readSlice(length: after - passedBytes)
            byteFaults.removeFirst()
            if let part, part.readableBytes > 0 { pass(part, from: side) }
            apply(fault, .bytes(after))
        }
        if rest.readableBytes > 0 { pass(rest, from: side) }
    }

    private func pass(_ bytes: ByteBuffer, from side: WebSocketRole) {
        if isRefusing, side == .client { emit(.bytes(bytes, from: side)) }
        guard !isDiscarding else { return }
        passedBytes += bytes.readableBytes
        emit(.bytes(bytes, from: side))
        forward(.bytes(bytes), from: side)
    }

    func readCompleted(_ side: WebSocketRole) {
        sendRefusal()
        end(side.peer)?.flush()
        requestRead(side)
    }

    /// Handles a side that takes bytes again.
    func drained(_ side: WebSocketRole) {
        requestRead(side.peer)
    }

    /// Handles the end of a side's output.
    func finished(_ side: WebSocketRole) {
        emit(.finished(side))
        sendRefusal()
        if !isEnding { forwardEnd(.finish, from: side) }
    }

    /// Handles a side's channel that has closed.
    func closed(_ end: RelayEnd) {
        defer { endIfDone() }
        if end.side == .client { client = nil } else { server = nil }
        with(end.side.peer) { lane in
            lane.items.removeAll()
            lane.bytes = 0
        }
        guard !end.isClosed else { return }
        if !hasConnected, !isEnding {
            let reason = end.failure ?? "it ended its side of TCP before the TLS handshake was complete"
            if end.side == .server {
                failedToOpen(.server, reason)
            } else {
                // The server has not been connected to, so there is nobody to notify.
                isEnding = true
                if !end.inputHasEnded { emit(.failed(.client, reason: reason)) }
            }
        } else if !end.inputHasEnded, end.outputHasEnded, end.failure == nil {
            // A channel whose output has ended closes when the peer ends its own, and reports that in no other way.
            finished(end.side)
        } else if !end.inputHasEnded || end.failure != nil && !end.outputHasEnded {
            emit(.failed(end.side, reason: end.failure ?? "the peer reset the connection"))
            if !isEnding { forwardEnd(.reset, from: end.side) }
        }
    }

    private func forwardEnd(_ item: Item, from side: WebSocketRole) {
        guard isDiscarding else { return forward(item, from: side) }
        // The other side is sent nothing, but its connection does not stay open indefinitely.
        if end(side.peer)?.inputHasEnded ?? true {
            closeAll()
        } else {
            schedule(RelayedConnection.deadTimeout) { $0.closeAll() }
        }
    }

    private func forward(_ item: Item, from side: WebSocketRole) {
        // A side whose channel has closed is sent nothing more.
        guard end(side.peer) != nil || !hasConnected else { return }
        let isEmpty = with(side) { $0.items.isEmpty }
        if isEmpty, latency == .zero, let target = end(side.peer), target.isOpen {
            perform(item, target)
            return
        }
        with(side) { lane in
            lane.items.append((.now() + latency, item))
            if case .bytes(let bytes) = item { lane.bytes += bytes.readableBytes }
        }
        drain(side)
    }

    private func perform(_ item: Item, _ target: RelayEnd) {
        switch item {
        case .bytes(let bytes): target.write(bytes)
        case .finish:
            target.flush()
            target.finish()
        case .reset: target.reset()
        }
    }

    /// Passes on everything from a side that is due.
    private func drain(_ side: WebSocketRole) {
        guard let target = end(side.peer), target.isOpen else { return }
        let now = NIODeadline.now()
        while true {
            let item = with(side) { lane -> Item? in
                guard let first = lane.items.first, first.due <= now else { return nil }
                lane.items.removeFirst()
                if case .bytes(let bytes) = first.item { lane.bytes -= bytes.readableBytes }
                return first.item
            }
            guard let item else { break }
            perform(item, target)
        }
        target.flush()
        if let due = with(side, { $0.isScheduled ? nil : $0.items.first?.due }) {
            with(side) { $0.isScheduled = true }
            schedule(due - now) { connection in
                connection.with(side) { $0.isScheduled = false }
                connection.drain(side)
                connection.requestRead(side)
            }
        }
    }

    // MARK: Back-pressure

    /// Reads from a side if its bytes can be passed on, or are discarded.
    private func requestRead(_ side: WebSocketRole) {
        guard let source = end(side), source.isOpen else { return }
        let isFull = with(side) { $0.bytes >= Relay.maximumDelayedBytes }
        let target = end(side.peer)
        let takes = target.map { $0.isOpen && $0.isWritable } ?? (side == .client ? !isConnecting : true)
        if isDiscarding || takes && !isFull {
            let wasReported = with(side) { lane in
                defer {
                    lane.pausedAt = nil
                    lane.hasReportedPause = false
                }
                return lane.hasReportedPause
            }
            if wasReported { emit(.resumed(side)) }
            source.read()
        } else if hasConnected, with(side, { $0.pausedAt == nil }) {
            let now = NIODeadline.now()
            with(side) { $0.pausedAt = now }
            schedule(RelayedConnection.reportedPause) { connection in
                guard connection.with(side, { $0.pausedAt == now }), !connection.isEnding else { return }
                connection.with(side) { $0.hasReportedPause = true }
                connection.emit(.paused(side))
            }
        }
    }

    // MARK: Faults and the end

    private func apply(_ fault: RelayFault, _ after: RelayFault.Threshold) {
        guard !isEnding, !hasEnded, client != nil || server != nil else { return }
        emit(.fault(fault, after))
        switch fault {
        case .drop:
            isDiscarding = true
            requestRead(.client)
            requestRead(.server)
        case .cut: cut(Relay.closeTimeout)
        case .reset:
            isDiscarding = true
            isEnding = true
            forward(.reset, from: .client)
            forward(.reset, from: .server)
            schedule(latency + Relay.closeTimeout) { $0.closeAll() }
        }
    }

    /// Ends both sides with FIN, and reads and discards what they still send until they end too.
    private func cut(_ timeout: TimeAmount) {
        isDiscarding = true
        isEnding = true
        forward(.finish, from: .client)
        forward(.finish, from: .server)
        requestRead(.client)
        requestRead(.server)
        schedule(latency + timeout) { $0.closeAll() }
    }

    /// Ends the connection because the relay shuts down.
    func shutDown() {
        guard !isEnding else { return }
        if hasConnected { cut(Relay.shutdownTimeout) } else { closeAll() }
    }

    private func closeAll() {
        isEnding = true
        client?.close()
        server?.close()
        endIfDone()
    }

    private func endIfDone() {
        guard client == nil, server == nil, !isConnecting || isEnding, !hasEnded else { return }
        hasEnded = true
        emit(.ended)
        relay.ended(self)
    }
}
