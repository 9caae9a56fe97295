import HTTPTypes
import LifelineCore
import LifelineTesting
import NIOCore

@testable import Lifeline

/// One run of a sequence: a server and a client, at least one of them real, on a simulated network.
final class ExplorerWorld {
    static let inbound = BufferLimits.Marks(low: 300, high: 1000)
    static let outbound = BufferLimits.Marks(low: 1000, high: 2000)
    static let maximumOutbound = 6000
    static let maximumMessageSize = 4000
    static let socketBuffer = 3000
    /// All timeouts, one after the other.
    static let allTimeouts = Duration.seconds(1300)

    let setting: ExplorerSetting
    let simulation: Simulation
    private(set) var apps: [ExplorerSide: ExplorerApp] = [:]
    private(set) var peer: ExplorerPeer?
    private var client: Running<Void>?
    private var shutdown: Running<Void>?
    private(set) var problems: [String] = []
    private(set) var hadFault = false
    private var outcomes: [ExplorerSide: CloseOutcome] = [:]
    private(set) var faults: [Bool] = [false, false]
    private let budgets = [CompressionBudget(limit: 1 << 20), CompressionBudget(limit: 1 << 20)]

    var engine: SimulatedEngine { simulation.engine }

    init(_ setting: ExplorerSetting) {
        self.setting = setting
        var apps: [ExplorerSide: ExplorerApp] = [:]
        let buffers = BufferLimits(
            inbound: ExplorerWorld.inbound, outbound: ExplorerWorld.outbound,
            maximumOutbound: ExplorerWorld.maximumOutbound, stallTimeout: .seconds(30))
        let makeApp = Box<ExplorerApp>()
        simulation = Simulation(seed: setting.seed) { [budgets] configuration in
            configuration.buffers = buffers
            ExplorerWorld.configure(&configuration.endpoint, budgets[0])
        } routes: { routes in
            routes.route("/task") { socket in try await makeApp.value?.handle(socket) }
            routes.routeOnLoop("/loop") { makeApp.value!.makeHandler() }
        }
        let engine = simulation.engine
        for (index, side) in [ExplorerSide.server, .client].enumerated()
        where setting.sides == .both || setting.sides.rawValue == side.rawValue {
            let handler = setting.handlers[min(index, setting.handlers.count - 1)]
            apps[side] = ExplorerApp(side, handler, engine, isPlanted: setting.isPlanted)
        }
        makeApp.value = apps[.server]
        self.apps = apps
        engine.link = ExplorerWorld.link(setting)
        connect(buffers)
        check()
    }

    private final class Box<Value>: @unchecked Sendable {
        var value: Value?
    }

    private static func link(_ setting: ExplorerSetting) -> SimulatedLink {
        guard setting.variesLink else {
            return SimulatedLink(socketBuffer: socketBuffer, resetDropsInput: false)
        }
        var random = SplitMix64(seed: setting.seed &* 31)
        let sizes: [SimulatedLink.Size] = [.all, .atMost(1), .random(20), .random(700), .random(3000)]
        return SimulatedLink(
            latency: .milliseconds([0, 1, 15].randomElement(using: &random) ?? 0),
            socketBuffer: .random(in: 100...4000, using: &random),
            readSize: sizes.randomElement(using: &random) ?? .all,
            writeSize: sizes.randomElement(using: &random) ?? .all,
            resetDropsInput: .random(using: &random), failedWriteEnds: .random(using: &random),
            endsLate: .random(using: &random), readsInsideFlush: .random(using: &random),
            receivesDirectly: .random(using: &random))
    }

    private static func configure(_ endpoint: inout EndpointConfiguration, _ budget: CompressionBudget) {
        endpoint.maximumMessageSize = maximumMessageSize
        endpoint.maximumFrameSize = maximumMessageSize
        var compression = CompressionConfiguration.server
        compression.budget = budget
        endpoint.compression = compression
    }

    private func connect(_ buffers: BufferLimits) {
        let path = apps[.server]?.handler == .onLoop ? "/loop" : "/task"
        var port = 80
        switch setting.sides {
        case .server:
            let raw = simulation.rawClient()
            peer = ExplorerPeer(raw, .client, compresses: true)
            raw.send(.request(path).adding("Sec-WebSocket-Extensions: permessage-deflate"))
            simulation.run()
            if setting.variesLink { simulation.advance(by: .milliseconds(800)) }
            if raw.takeHead()?.hasPrefix("HTTP/1.1 101 ") != true { problems.append("the connection is not opened") }
            return
        case .client:
            port = engine.listen { [unowned self] transport in
                let raw = RawPeer(transport)
                peer = ExplorerPeer(raw, .server, compresses: false)
                raw.answer()
            }
        case .both: break
        }
        guard let app = apps[.client] else { return }
        var configuration = WebSocketClientConfiguration()
        configuration.engine = .given(engine)
        configuration.buffers = buffers
        configuration.handlesOnLoop = app.handler == .task
        ExplorerWorld.configure(&configuration.endpoint, budgets[1])
        let url = "ws://127.0.0.1:\(port)\(path)"
        client = Running.start(on: engine.network.elsewhere) { [configuration] in
            if app.handler == .onLoop {
                _ = try await WebSocketClient.connectOnLoop(to: url, configuration: configuration) { _ in
                    app.makeHandler()
                }
            } else {
                try await WebSocketClient.connect(to: url, configuration: configuration) { try await app.handle($0) }
            }
        }
        simulation.run()
        simulation.advance(by: .milliseconds(800))
        for (side, app) in apps where app.opened != 1 { problems.append("the \(side.rawValue) is not opened") }
    }

    // MARK: Events

    func perform(_ step: ExplorerStep) {
        if step.event.isFault { hadFault = true }
        if step.event.isPeers {
            peer?.perform(step.event)
        } else {
            performOurs(step)
        }
        switch step.pace {
        case .settle: simulation.run()
        case .rounds(let rounds): for _ in 0..<rounds { simulation.network.runOnce() }
        case .milliseconds(let milliseconds): simulation.advance(by: .milliseconds(milliseconds))
        }
        if case .settle = step.pace { check() } else { checkAlways() }
    }

    private func performOurs(_ step: ExplorerStep) {
        let transport = step.side == .server ? engine.serverTransports.last : engine.clientTransports.last
        switch step.event {
        case .writesFail:
            faults[0] = true
            transport?.failWrites()
        case .cut:
            faults[1] = true
            transport?.cut()
        case .timePasses: simulation.network.advanceToNext(within: .seconds(1000))
        case .shutDown:
            if step.side == .server {
                if shutdown == nil { shutdown = simulation.shutDown() }
            } else {
                client?.cancel()
            }
        default: apps[step.side]?.perform(step.event)
        }
    }

    /// The connection of a side, while it lives.
    func withConnection<Result>(_ side: ExplorerSide, _ body: (Connection) -> Result) -> Result? {
        apps[side]?.socket?.handle.withConnection(body)
    }

    // MARK: What is always so

    private func problem(_ side: ExplorerSide, _ text: String) {
        problems.append("\(side.rawValue): \(text)")
    }

    /// What is so at each moment.
    private func checkAlways() {
        for (side, app) in apps {
            for violation in app.violations { problem(side, violation) }
            if app.closed > 1 { problem(side, "closed was called \(app.closed) times") }
            if let outcome = app.socket?.handle.outcome {
                if let before = outcomes[side], before != outcome {
                    problem(side, "the outcome changed from \(before) to \(outcome)")
                }
                outcomes[side] = outcome
            } else if outcomes[side] != nil {
                problem(side, "the outcome was taken back")
            }
            withConnection(side) { checkBounds(side, $0) }
        }
        checkMessages()
    }

    private func checkBounds(_ side: ExplorerSide, _ connection: Connection) {
        let inbox = connection.inbox.size
        if inbox > ExplorerWorld.inbound.high + ExplorerWorld.maximumMessageSize + 64 {
            problem(side, "the inbox holds \(inbox) bytes")
        }
        let held = connection.held.count
        if held > 2 * 4096 { problem(side, "\(held) bytes of input are held") }
        // One message may exceed the limit.
        let maximumUnwritten = ExplorerWorld.maximumOutbound + ExplorerWorld.maximumMessageSize + Outbox.overhead
        if connection.unwritten > maximumUnwritten, connection.outcome == nil, !connection.isQueued {
            problem(side, "\(connection.unwritten) bytes are unwritten (maximumOutbound)")
        }
        let pending = (connection.transport as? SimulatedTransport)?.waitingBytes ?? 0
        if pending > maximumUnwritten + ExplorerWorld.outbound.high + ExplorerWorld.maximumMessageSize + 512 {
            problem(side, "\(pending) bytes wait to be written")
        }
    }

    /// What is so once everything has been done that needs no time.
    private func check() {
        checkAlways()
        for (side, app) in apps {
            guard let socket = app.socket else { continue }
            let hasOutcome = socket.handle.outcome != nil
            if app.handler == .onLoop, hasOutcome, app.closed != 1 { problem(side, "closed was not called") }
            for wait in app.waits where !wait.task.hasEnded {
                if socket.handle.hasEnded || hasOutcome && wait.kind != .close {
                    // A fragmented message waits for its next part, which the application has.
                    if wait.kind == .fragmentBegins { continue }
                    problem(side, "\(wait.kind) waits for ever")
                }
            }
            withConnection(side) { checkRest(side, app, $0) }
        }
    }

    private func checkRest(_ side: ExplorerSide, _ app: ExplorerApp, _ connection: Connection) {
        if connection.isBusy || connection.isQueued || connection.isDirty { problem(side, "a turn has not ended") }
        if connection.borrowed != nil { problem(side, "a message was found for nobody") }
        if !connection.input.isEmpty { problem(side, "input is left over") }
        if let deadline = connection.deadline {
            let next = simulation.network.nextInstant
            if next.map({ $0 > deadline.advanced(by: .milliseconds(250)) }) ?? true {
                problem(side, "nobody comes by at its deadline")
            }
        } else {
            problem(side, "it has no deadline in phase \(connection.endpoint.pointee.phase)")
        }
        let phase = connection.endpoint.pointee.phase
        if phase == .open, connection.inputIsHeld, connection.inbox.size < ExplorerWorld.inbound.low {
            problem(side, "input is held from an application that takes it")
        }
        if connection.hasReceiver, !connection.inbox.isEmpty, app.handler != .onLoop {
            problem(side, "messages are held from who receives")
        }
        if connection.isWritable, !connection.outbox.isEmpty, !connection.endpoint.pointee.isSendingFragments {
            problem(side, "sends are held from a transport that takes them")
        }
        let isBroken = (connection.transport as? SimulatedTransport)?.outputIsBroken ?? false
        if !connection.isWritable, !connection.isEnded, connection.stall.deadline == nil, !isBroken {
            problem(side, "a full transport is not watched")
        }
        if let transport = connection.transport as? SimulatedTransport,
            transport.isReading == connection.readingIsPaused
        {
            problem(side, "the transport reads, or not, against the connection's will")
        }
    }

    // MARK: Messages

    private func checkMessages() {
        for (side, app) in apps {
            var last: [ExplorerEvent: Int] = [:]
            var seen: Set<[UInt8]> = []
            var place = -1
            for message in app.received {
                if !seen.insert(message).inserted {
                    return problem(side, "a message was received twice: \(name(message))")
                }
                if let peer {
                    if let found = peer.sent.firstIndex(of: message) {
                        if found < place { return problem(side, "messages were received out of order") }
                        place = found
                    } else if !peer.isBroken {
                        return problem(side, "a message was received that was not sent: \(name(message))")
                    }
                } else {
                    let other = apps[side == .server ? .client : .server]
                    guard let other, let serial = other.attempted.first(where: { $0.value == message })?.key else {
                        return problem(side, "a message was received that was not sent: \(name(message))")
                    }
                    if other.takenBack.contains(serial) { return problem(side, "a message came that was taken back") }
                    guard let kind = other.kinds[serial] else { continue }
                    let line: ExplorerEvent = kind == .sendMuch ? .send : kind
                    if last[line, default: 0] > serial { return problem(side, "messages were received out of order") }
                    last[line] = serial
                }
            }
        }
    }

    private func name(_ message: [UInt8]) -> String {
        String(decoding: message.prefix(16), as: UTF8.self) + " (\(message.count) bytes)"
    }

    // MARK: The end

    /// Lets everything end, and checks that it has.
    func finish() {
        simulation.run()
        for app in apps.values { app.finish() }
        // A client's handler that waits for what never comes is cancelled with its task.
        simulation.advance(by: .milliseconds(500))
        check()
        checkLosses()
        for app in apps.values { app.stop() }
        simulation.advance(by: ExplorerWorld.allTimeouts)
        checkAlways()
        checkAgreement()
        for (side, app) in apps {
            if !app.handlerHasEnded { problem(side, "the handler has not returned") }
            for wait in app.waits where !wait.task.hasEnded { problem(side, "\(wait.kind) has not ended") }
            if app.socket?.handle.outcome == nil { problem(side, "there is no outcome") }
            app.forget()
        }
        if let client, !client.hasEnded { problem(.client, "connecting has not returned") }
        client?.forget()
        if !simulation.loop.connections.isEmpty { problems.append("connections are left on the loop") }
        if !simulation.runtime.isIdle { problems.append("the server is not idle") }
        let stopped = shutdown ?? simulation.shutDown()
        simulation.run()
        if !stopped.hasEnded { problems.append("the server's shutdown does not end") }
        simulation.run()
        if !simulation.livingConnections.isEmpty { problems.append("connections are left in memory") }
        let ours = setting.sides != .client ? engine.serverTransports : []
        let theirs = setting.sides != .server ? engine.clientTransports : []
        if (ours + theirs).contains(where: \.isOpen) { problems.append("sockets are left open") }
    }

    /// Without a fault nothing that was sent is lost to who received to the end.
    private func checkLosses() {
        guard !hadFault else { return }
        for (side, app) in apps where !app.hasSkipped && !app.hasEndedItself {
            guard let outcome = outcomes[side], outcome.isClean, outcome.initiator == .peer else { continue }
            // What waits for a handler's task that does something else is not lost.
            if app.handler != .onLoop, app.waits.contains(where: { $0.kind == .receive || $0.kind == .stream }) {
                continue
            }
            guard app.handler == .onLoop || app.handlerHasEnded else { continue }
            let got = Set(app.received)
            if let peer, !peer.isBroken {
                if let lost = peer.sent.first(where: { !got.contains($0) }) { problem(side, "\(name(lost)) was lost") }
            } else if let other = apps[side == .server ? .client : .server] {
                for serial in other.sent.sorted() {
                    guard let message = other.attempted[serial], !got.contains(message) else { continue }
                    problem(side, "\(name(message)) was lost")
                }
            }
        }
    }

    /// Both sides say the same of an end that neither a fault nor a deadline brought about.
    private func checkAgreement() {
        guard !hadFault, let server = outcomes[.server], let client = outcomes[.client] else { return }
        if server.isClean != client.isClean { problems.append("only one side is clean: \(server); \(client)") }
        guard server.isClean, client.isClean else { return }
        if server.sent?.code != client.received?.code || client.sent?.code != server.received?.code {
            problems.append("the codes do not match: \(server); \(client)")
        }
    }

    deinit {
        client?.cancel()
        simulation.run()
    }
}
