import LifelineCore
import LifelineTesting
import NIOCore
import Synchronization

@testable import Lifeline

/// One side's application: what it was told, what it waits for, and what it did.
///
/// `@unchecked Sendable`: it is used on the simulation's thread alone.
final class ExplorerApp: @unchecked Sendable {
    /// What an application waits for.
    struct Wait {
        var kind: ExplorerEvent
        var task: Running<Void>
        /// The message that is sent, if any.
        var serial: Int?
    }

    struct HandlerError: Error {}

    let side: ExplorerSide
    let handler: ExplorerSetting.Handler
    let isPlanted: Bool
    private unowned let engine: SimulatedEngine
    private let commands = Commands()

    private(set) var socket: WebSocket?
    private var onLoopSocket: OnLoopWebSocket?
    /// What was received, in order.
    private(set) var received: [[UInt8]] = []
    /// Whether something was received in part alone, or given up.
    private(set) var hasSkipped = false
    private(set) var waits: [Wait] = []
    private(set) var handlerHasEnded = false
    private(set) var handlerIsBusy = false
    private(set) var opened = 0
    private(set) var closed = 0
    /// What must not have been called.
    private(set) var violations: [String] = []
    private(set) var reactions: [ExplorerEvent] = []
    private var feeds: [AsyncStream<ByteBuffer>.Continuation] = []
    private var fed: [Int] = []
    var openFeeds: Int { feeds.count }
    private(set) var hasEndedItself = false

    private var lastSerial = 0
    /// The messages that were sent for sure, and those of which nobody knows.
    private(set) var sent: Set<Int> = []
    private(set) var attempted: [Int: [UInt8]] = [:]
    private(set) var takenBack: Set<Int> = []
    private(set) var kinds: [Int: ExplorerEvent] = [:]

    init(_ side: ExplorerSide, _ handler: ExplorerSetting.Handler, _ engine: SimulatedEngine, isPlanted: Bool) {
        self.side = side
        self.handler = handler
        self.engine = engine
        self.isPlanted = isPlanted
    }

    /// How many of a kind it waits for.
    func waiting(_ kind: ExplorerEvent) -> Int { waits.count { $0.kind == kind && !$0.task.hasEnded } }

    /// How many it waits for at all.
    var waiting: Int { waits.count { !$0.task.hasEnded } }

    // MARK: Handlers

    /// The handler's own task.
    func handle(_ socket: WebSocket) async throws {
        opened += 1
        self.socket = socket
        defer { handlerHasEnded = true }
        while true {
            handlerIsBusy = false
            let command = await commands.next()
            handlerIsBusy = true
            switch command {
            case .handlerReceives: await receive(socket)
            case .handlerThrows: throw HandlerError()
            case .stream: while await receive(socket) {}
            default: return
            }
        }
    }

    @discardableResult
    private func receive(_ socket: WebSocket) async -> Bool {
        do {
            return try await socket.receive { note($0) } != nil
        } catch {
            return false
        }
    }

    private func note(_ message: borrowing ReceivedMessage) {
        received.append(message.withUnsafeBytes { Array($0) })
        // A test's own fault, which takes three events to show.
        if isPlanted, received.count == 2, waits.contains(where: { $0.kind == .ping }) { received.append(received[0]) }
    }

    func makeHandler() -> any OnLoopHandler { Handler(app: self) }

    private struct Handler: OnLoopHandler {
        let app: ExplorerApp

        func opened(_ socket: OnLoopWebSocket) {
            app.opened += 1
            app.socket = socket.webSocket
            app.onLoopSocket = socket
        }

        func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {
            if app.closed > 0 { app.violations.append("a message came after closed") }
            app.note(message)
            guard !app.reactions.isEmpty else { return }
            switch app.reactions.removeFirst() {
            case .sendInside: app.enqueue(app.makeMessage(.enqueue, 700), socket)
            case .closeInside:
                app.hasEndedItself = true
                try? socket.close(code: .goingAway)
            default:
                app.hasEndedItself = true
                socket.handle.abort("the handler gives up")
            }
        }

        func writable(_ socket: OnLoopWebSocket) {
            if app.closed > 0 { app.violations.append("writable came after closed") }
        }

        func closed(_ outcome: CloseOutcome, on socket: OnLoopWebSocket) {
            app.closed += 1
            app.handlerHasEnded = true
            app.onLoopSocket = nil
        }
    }

    // MARK: Events

    /// Does what the application does by itself. Without a connection it does nothing.
    func perform(_ event: ExplorerEvent) {
        switch event {
        case .handlerReceives, .handlerReturns, .handlerThrows:
            if event != .handlerReceives { hasEndedItself = true }
            return commands.add(event)
        case .sendInside, .closeInside, .abortInside:
            return reactions.append(event)
        case .cancelWait:
            guard let wait = waits.first(where: { !$0.task.hasEnded }) else { return }
            if wait.kind == .stream { hasSkipped = true }
            return wait.task.cancel()
        default: break
        }
        guard let socket else { return }
        switch event {
        case .send, .sendMuch:
            let message = makeMessage(event, event == .send ? 20 : 3000)
            start(event, serial: message.serial) { try await socket.send(message.bytes) }
        case .enqueue:
            enqueue(makeMessage(.enqueue, 900), onLoopSocket)
        case .fragmentBegins:
            guard feeds.count < 3 else { return }
            let serial = makeMessage(event, 0).serial
            let (stream, feed) = AsyncStream.makeStream(of: ByteBuffer.self)
            feeds.append(feed)
            fed.append(serial)
            feed.yield(ByteBuffer(bytes: attempted[serial] ?? []))
            start(event, serial: serial) { try await socket.send(fragments: stream) }
        case .fragmentGoesOn:
            guard let feed = feeds.first, let serial = fed.first, (attempted[serial]?.count ?? 0) < 2000 else { return }
            let part = [UInt8](repeating: UInt8(ascii: "+"), count: 300)
            attempted[serial]?.append(contentsOf: part)
            feed.yield(ByteBuffer(bytes: part))
        case .fragmentEnds:
            guard !feeds.isEmpty else { return }
            feeds.removeFirst().finish()
            fed.removeFirst()
        case .receive: start(event) { [self] in _ = try await socket.receive { note($0) } }
        case .stream: start(event) { [self] in try await self.stream(socket) }
        case .ping: start(event) { _ = try await socket.ping() }
        case .close:
            hasEndedItself = true
            start(event) { try await socket.close() }
        case .abort:
            hasEndedItself = true
            socket.handle.abort("the application gives up")
        default: break
        }
    }

    private func stream(_ socket: WebSocket) async throws {
        var bytes: [UInt8] = []
        var isWhole = false
        defer { if !isWhole { hasSkipped = true } }
        var iterator = socket.incoming.makeAsyncIterator()
        guard let message = try await iterator.next() else { return }
        for try await chunk in message { bytes += Array(buffer: chunk) }
        received.append(bytes)
        isWhole = true
    }

    private func enqueue(_ message: (serial: Int, bytes: [UInt8]), _ onLoop: OnLoopWebSocket?) {
        if let onLoop {
            let result = onLoop.send(binary: message.bytes.span.bytes)
            if case .closed = result { takenBack.insert(message.serial) }
        } else if let socket {
            _ = socket.enqueue(PreparedMessage(ByteBuffer(bytes: message.bytes)))
        }
    }

    private func makeMessage(_ kind: ExplorerEvent, _ size: Int) -> (serial: Int, bytes: [UInt8]) {
        lastSerial += 1
        let bytes = ExplorerApp.payload(side, lastSerial, size)
        attempted[lastSerial] = bytes
        kinds[lastSerial] = kind
        return (lastSerial, bytes)
    }

    /// A payload of which there is no other.
    static func payload(_ side: ExplorerSide, _ serial: Int, _ size: Int) -> [UInt8] {
        let name = Array("\(side.rawValue) \(serial).".utf8)
        return name + [UInt8](repeating: UInt8(truncatingIfNeeded: 65 + serial % 26), count: max(size - name.count, 0))
    }

    private func start(_ kind: ExplorerEvent, serial: Int? = nil, _ body: @escaping @Sendable () async throws -> Void) {
        let place: any TaskExecutor = handler == .taskElsewhere ? engine.network.elsewhere : engine.loop
        waits.append(
            Wait(
                kind: kind,
                task: Running.start(on: place) { [self] in
                    do {
                        try await body()
                        if let serial { sent.insert(serial) }
                    } catch {
                        if let serial { takenBack.insert(serial) }
                        // A fragmented message that breaks off takes the connection with it.
                        if kind == .fragmentBegins { hasEndedItself = true }
                        throw error
                    }
                }, serial: serial))
    }

    // MARK: The end

    /// Lets everything end that waits for the application.
    func finish() {
        reactions = []
        for feed in feeds { feed.finish() }
        feeds = []
        fed = []
        if handler == .onLoop {
            try? onLoopSocket?.close()
        } else {
            // What has arrived is received, so far as nobody else does.
            commands.add(.stream)
            commands.add(.handlerReturns)
        }
    }

    /// Has the handler return, whatever comes.
    func stop() {
        socket?.handle.close(CloseFrame(.normalClosure, ""))
    }

    /// Lets go of the connection.
    func forget() {
        socket = nil
        onLoopSocket = nil
        for wait in waits { wait.task.forget() }
    }
}

/// What a handler's task is told to do.
private final class Commands: Sendable {
    private struct State {
        var queue: [ExplorerEvent] = []
        var waiter: UnsafeContinuation<ExplorerEvent?, Never>?
        var isCancelled = false
    }

    private let state = Mutex(State())

    func add(_ command: ExplorerEvent) {
        let waiter = state.withLock { state in
            guard let waiter = state.waiter.take() else {
                state.queue.append(command)
                return nil as UnsafeContinuation<ExplorerEvent?, Never>?
            }
            return waiter
        }
        waiter?.resume(returning: command)
    }

    /// The next command; `nil` where the task is cancelled.
    func next() async -> ExplorerEvent? {
        await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                let (isThere, command) = state.withLock { state in
                    if state.isCancelled { return (true, nil as ExplorerEvent?) }
                    if !state.queue.isEmpty { return (true, state.queue.removeFirst()) }
                    state.waiter = continuation
                    return (false, nil)
                }
                if isThere { continuation.resume(returning: command) }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.isCancelled = true
                return state.waiter.take()
            }
            waiter?.resume(returning: nil)
        }
    }
}
