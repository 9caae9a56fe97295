import HTTPTypes
import LifelineCore
import LifelineLocks
import Logging

/// A running server, which answers requests, starts handlers, and counts connections.
final class ServerRuntime: ConnectionOwner, ConnectionAcceptor {
    private struct State {
        var isShuttingDown = false
        /// When an accept failure was last logged.
        var lastAcceptFailure: ContinuousClock.Instant?
        /// Connections whose TCP has not ended.
        var connections = 0
        /// The handlers that have not returned, by connection.
        var handlers: [UInt64: RunningHandler] = [:]
        /// The tasks in which the application answers requests, by connection.
        var answers: [UInt64: RunningAnswer] = [:]
        /// How many such tasks have been started.
        var answersStarted = 0
        /// The tasks that wait until no connections, handlers or answers are left.
        var idleWaiters: [UnsafeContinuation<Void, Never>] = []
    }

    private struct RunningAnswer {
        /// Identifies the task among those of a connection, since one may start before the one before it has quite ended.
        let number: Int
        let task: Task<Void, Never>
        /// Whether the response is being streamed.
        var isStreaming = false
    }

    private struct RunningHandler {
        let task: Task<Void, Never>
        let handle: ConnectionHandle
        /// Cancels the handler if it outlives its connection by more than the grace period.
        var canceller: Task<Void, Never>?

        /// Cancels the task and wakes it. Nothing else cancels handlers, so a handler that waits for messages needs no
        /// cancellation handler.
        func cancel() {
            task.cancel()
            handle.executeSoon { $0.cancelReceive() }
        }
    }

    let configuration: WebSocketServerConfiguration
    /// The configuration that the endpoints of all connections share.
    let endpointConfiguration: SharedEndpointConfiguration
    let connectionSettings: ConnectionSettings
    private let webSockets: RouteTable<ServedRoute>
    private let responders: RouteTable<[HTTPRequest.Method: Responder]>
    private let logger: Logger
    /// The metrics; `nil` if the factory discards them.
    private let metrics: ServerMetrics?
    private let state = Lock(State())

    /// - Throws: ``WebSocketError`` with the code ``WebSocketError/Code/invalidConfiguration``.
    init(configuration: WebSocketServerConfiguration, routes: Routes) throws(WebSocketError) {
        if let invalid = configuration.originPolicy.invalidOrigin {
            throw WebSocketError(.invalidConfiguration, "invalid origin policy (originPolicy): \(invalid)")
        }
        var webSockets = RouteTable<ServedRoute>()
        for entry in routes.webSockets.entries {
            let route = try ServedRoute(entry.value, at: entry.pattern, of: configuration)
            webSockets.set(entry.pattern) { _ in route }
        }
        self.webSockets = webSockets
        metrics = ServerMetrics(configuration.metrics, routes: webSockets.entries.map(\.pattern.text))
        responders = routes.responders
        self.configuration = configuration
        connectionSettings = ConnectionSettings(configuration.buffers, configuration.observers)
        endpointConfiguration = SharedEndpointConfiguration(configuration.endpoint)
        logger = configuration.logger
    }

    // MARK: ConnectionAcceptor

    var outboundMarks: BufferLimits.Marks { configuration.buffers.outbound }

    func makeConnection(on loop: Loop, over transport: any Transport, remoteAddress: String) -> Connection {
        Connection(
            loop: loop, id: ConnectionID.next(), transport: transport, remoteAddress: remoteAddress, owner: self,
            settings: connectionSettings,
            endpoint: Endpoint(
                server: endpointConfiguration, at: loop.driver.now(), random: &loop.random, memory: loop.memory))
    }

    /// Logs that a connection could not be accepted because the process or the system has exhausted a resource.
    func acceptFailed(_ reason: String) {
        metrics?.acceptFailed()
        let now = ContinuousClock.now
        let shouldLog = state.withLock { state in
            // The engine retries continually; one log line a minute is enough.
            if let last = state.lastAcceptFailure, last.duration(to: now) < .seconds(60) { return false }
            state.lastAcceptFailure = now
            return true
        }
        guard shouldLog else { return }
        logger.warning("cannot accept connections", metadata: ["reason": "\(reason)"])
    }

    // MARK: ConnectionOwner

    func connectionEstablished(_ connection: Connection) {
        let isShuttingDown = state.withLock { state in
            state.connections += 1
            return state.isShuttingDown
        }
        // The connection was accepted just before the server stopped listening, so the shutdown has not seen it.
        if isShuttingDown { connection.shutDown() }
    }

    func connection(_ connection: Connection, received request: InboundRequest) {
        do throws(HandshakeRefusal) {
            try checkCapacity()
            if ServerHandshake.isOpening(request.request) {
                try open(connection, request)
            } else {
                try answer(connection, request)
            }
        } catch {
            refuse(connection, error)
        }
    }

    func connectionOpened(_ connection: Connection) {}

    func connectionEnded(_ connection: Connection) {
        let outcome = connection.outcome
        if let refusal = connection.endpoint.pointee.refusal {
            noteRefusal(connection, refusal, of: connection.endpoint.pointee.refusedRequest)
        }
        guard let outcome else { return }
        guard connection.wasOpened else {
            // The client is gone, so no response can be sent.
            state.withLock { $0.answers[connection.id] }?.task.cancel()
            logger.debug(
                "connection ended before it was opened",
                metadata: ["peer": "\(connection.remoteAddress)", "outcome": "\(SecretText.redacted("\(outcome)"))"])
            return
        }
        metrics?.closed(connection, outcome)
        logger.info("closed", metadata: ServerRuntime.metadata(of: connection, outcome))
    }

    /// The metadata of the log line for the end of an open connection. It is built only if the logger writes that line.
    private static func metadata(of connection: Connection, _ outcome: CloseOutcome) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "connection": "\(connection.id)", "code": "\(outcome.code.rawValue)",
            "reason": "\(SecretText.redacted(outcome.reason).debugDescription)",
            "outcome": "\(SecretText.redacted("\(outcome)"))",
        ]
        let dropped = connection.droppedMessages
        if dropped.count > 0 {
            metadata["dropped"] =
                "\(dropped.count) messages (\(dropped.bytes) bytes) that arrived after our Close frame"
        }
        return metadata
    }

    func connectionTerminated(_ connection: Connection) {
        // A Close frame may have been sent after the outcome was decided.
        connection.traffic?.pointee.owner.handOver()
        let id = connection.id
        let gracePeriod = configuration.handlerGracePeriod
        let driver = connection.loop.driver
        let waiters = state.withLock { state in
            state.connections -= 1
            assert(state.connections >= 0, "a connection ended that had not been counted")
            // Most handlers return at once. One that waits for something else is cancelled after the grace period.
            state.handlers[id]?.canceller = Task(executorPreference: driver.backgroundExecutor) {
                guard (try? await driver.sleep(for: gracePeriod)) != nil else { return }
                self.state.withLock { $0.handlers[id] }?.cancel()
            }
            return takeIdleWaiters(&state)
        }
        for waiter in waiters { waiter.resume() }
    }

    // MARK: Requests

    /// Opens a WebSocket, or asks the route to decide, or throws the refusal.
    private func open(_ connection: Connection, _ request: InboundRequest) throws(HandshakeRefusal) {
        guard let (pattern, route) = webSockets.entry(at: request.request.targetPath).map({ ($0.pattern, $0.value) })
        else {
            throw HandshakeRefusal(reason: .notFound, status: .notFound, message: "there is no WebSocket at this path")
        }
        guard !request.isHTTP10 else {
            throw HandshakeRefusal(
                reason: .method, status: .badRequest,
                message: "a WebSocket needs HTTP/1.1, not HTTP/1.0 (RFC 6455 §4.1)")
        }
        let handshake = try ServerHandshake(request.request)
        try handshake.check(route.originPolicy)
        let arrival = connection.now
        switch route.opening {
        case .always(let target):
            accept(
                connection, handshake, route, handshake.chosenSubprotocol(from: route.subprotocols), target: target,
                arrival: arrival)
        case .deciding(let decide):
            let asked = ServerRequest(
                request, subprotocols: handshake.subprotocols, route: pattern, from: connection.remoteAddress)
            startTask(for: connection.handle) { runtime, handle in
                let decision = await runtime.answer(asked, handle.id, whatFails: "upgrade failed", decide)
                handle.execute { connection in
                    connection.answer { runtime.carryOut(decision, connection, handshake, route, arrival) }
                }
            }
        }
    }

    /// Answers with 101 and starts the handler.
    ///
    /// - Parameter arrival: When the request's head had arrived.
    private func accept(
        _ connection: Connection, _ handshake: ServerHandshake, _ route: ServedRoute, _ subprotocol: String?,
        headerFields: HTTPFields = [:], target: Route.Target, arrival: MonotonicInstant
    ) {
        let agreement = HandshakeAgreement(
            subprotocol: subprotocol, compression: route.compression?.agreement(on: handshake.extensions),
            offers: handshake.extensions)
        let response = handshake.response(
            subprotocol: subprotocol, extensions: agreement.extensions, headerFields: headerFields)
        metrics?.opened(connection, route.pattern.text, arrival: arrival)
        connection.accept(
            response, compression: agreement.compression, configuration: route.endpoint, settings: route.settings)
        let agreed = WebSocketHandshake(
            request: handshake.request, response: response, agreement: agreement,
            remoteAddress: connection.remoteAddress, route: route.pattern)
        logger.info(
            "opened",
            metadata: [
                "connection": "\(connection.id)", "path": "\(handshake.path)", "peer": "\(connection.remoteAddress)",
            ])
        start(target, connection, agreed)
    }

    // MARK: Decisions of the application

    private typealias Decision = Result<UpgradeAcceptance<Route.Target>, HandshakeRefusal>

    /// Starts a task that answers a request. The endpoint answers with 503 at the handshake's deadline.
    private func startTask(
        for handle: ConnectionHandle, _ body: @escaping @Sendable (ServerRuntime, ConnectionHandle) async -> Void
    ) {
        state.withLock { state in
            // Under the lock, so that the task cannot end before it is recorded.
            state.answersStarted += 1
            let number = state.answersStarted
            let task = Task(executorPreference: handle.loop) {
                await body(self, handle)
                self.hasAnswered(handle.id, number)
            }
            state.answers[handle.id] = RunningAnswer(number: number, task: task)
        }
    }

    /// Asks the application for its answer to a request. An error that is not a refusal is logged and answered with 500.
    private func answer<Value>(
        _ request: ServerRequest, _ id: UInt64, whatFails: Logger.Message,
        _ body: (ServerRequest) async throws -> Value
    ) async -> Result<Value, HandshakeRefusal> {
        do {
            return .success(try await body(request))
        } catch let refusal as HandshakeRefusal {
            return .failure(refusal)
        } catch {
            if !Task.isCancelled {
                logger.error(whatFails, metadata: ["connection": "\(id)", "error": "\(error)"])
            }
            return .failure(ServerRuntime.internalError)
        }
    }

    /// Carries out a decision; on the loop.
    private func carryOut(
        _ decision: Decision, _ connection: Connection, _ handshake: ServerHandshake, _ route: ServedRoute,
        _ arrival: MonotonicInstant
    ) {
        do throws(HandshakeRefusal) {
            try checkCapacity()
            let acceptance = try decision.get()
            if let chosen = acceptance.subprotocol, !handshake.subprotocols.contains(chosen) {
                let offer = handshake.subprotocols.map { SecretText.redacted(subprotocols: $0) }
                logger.error(
                    "upgrade accepted with a subprotocol that the client does not offer",
                    metadata: [
                        "connection": "\(connection.id)", "subprotocol": "\(chosen)", "offered": "\(offer)",
                    ])
                throw ServerRuntime.internalError
            }
            accept(
                connection, handshake, route,
                acceptance.subprotocol ?? handshake.chosenSubprotocol(from: route.subprotocols),
                headerFields: acceptance.headerFields, target: acceptance.value, arrival: arrival)
        } catch {
            refuse(connection, error)
        }
    }

    private static var internalError: HandshakeRefusal {
        HandshakeRefusal(
            reason: .application, status: .internalServerError, message: "the server failed to answer the request")
    }

    private func hasAnswered(_ id: UInt64, _ number: Int) {
        let waiters = state.withLock { state in
            if state.answers[id]?.number == number { state.answers[id] = nil }
            return takeIdleWaiters(&state)
        }
        for waiter in waiters { waiter.resume() }
    }

    private func checkCapacity() throws(HandshakeRefusal) {
        let (isShuttingDown, connections) = state.withLock { ($0.isShuttingDown, $0.connections) }
        guard !isShuttingDown else {
            throw .shuttingDown
        }
        guard connections <= configuration.maximumConnections else {
            throw HandshakeRefusal(
                reason: .unavailable, status: .serviceUnavailable,
                message: "the server has reached its connection limit",
                headerFields: [.retryAfter: "10"])
        }
    }

    /// Starts to answer an ordinary HTTP request, or throws the refusal.
    private func answer(_ connection: Connection, _ request: InboundRequest) throws(HandshakeRefusal) {
        let path = request.request.targetPath
        let method = request.request.method
        guard let entry = responders.entry(at: path, where: { $0[method] != nil }), let respond = entry.value[method]
        else { throw refusal(of: path) }
        let body =
            request.hasBody
            ? HTTPRequestBody(
                .connection(connection.handle, number: connection.requestNumber), length: request.bodyLength)
            : HTTPRequestBody()
        let asked = ServerRequest(request, route: entry.pattern, from: connection.remoteAddress, body: body)
        startTask(for: connection.handle) { runtime, handle in
            let response = await runtime.answer(asked, handle.id, whatFails: "request failed", respond)
            if case .success(let response) = response, case .stream(let write) = response.body {
                await runtime.stream(response, write, handle)
            } else {
                handle.execute { connection in
                    connection.answer { runtime.carryOut(response, connection) }
                }
            }
        }
    }

    /// Sends a response whose body the application writes.
    private func stream(
        _ response: HTTPServerResponse, _ write: @Sendable (HTTPBodyWriter) async throws -> Void,
        _ handle: ConnectionHandle
    ) async {
        let head = HTTPResponse(status: response.status, headerFields: response.headerFields)
        guard await handle.onLoop({ $0.withConnection { self.begin(head, $0) } ?? false }) else { return }
        let mustEnd = state.withLock { state in
            state.answers[handle.id]?.isStreaming = true
            return state.isShuttingDown
        }
        if mustEnd { withUnsafeCurrentTask { $0?.cancel() } }
        do {
            try await write(HTTPBodyWriter(handle: handle))
            handle.execute { $0.endResponse() }
        } catch {
            let isExpected = Task.isCancelled || (error as? WebSocketError)?.code == .closed
            if !isExpected {
                logger.error("response failed", metadata: ["connection": "\(handle.id)", "error": "\(error)"])
            }
            handle.execute { $0.abort("the response could not be completed") }
        }
    }

    /// Begins a response whose body the application writes; on the loop.
    private func begin(_ response: HTTPResponse, _ connection: Connection) -> Bool {
        let request = connection.endpoint.pointee.request
        guard connection.beginResponse(response) else { return false }
        if let request { metrics?.answered(request.request.method, response.status) }
        return true
    }

    /// Describes why there is no responder for a request.
    private func refusal(of path: String) -> HandshakeRefusal {
        guard let other = responders.entry(at: path) else {
            guard webSockets.entry(at: path) == nil else { return .upgradeRequired }
            return HandshakeRefusal(reason: .notFound, status: .notFound, message: "nothing is served at this path")
        }
        let methods = other.value.keys.map(\.rawValue).sorted().joined(separator: ", ")
        return HandshakeRefusal(
            reason: .method, status: .methodNotAllowed, message: "only \(methods) are allowed at this path",
            headerFields: [.allow: methods])
    }

    /// Sends a response; on the loop.
    private func carryOut(_ response: Result<HTTPServerResponse, HandshakeRefusal>, _ connection: Connection) {
        switch response {
        case .success(let response):
            guard case .bytes(let body) = response.body else { return }
            if let request = connection.endpoint.pointee.request {
                metrics?.answered(request.request.method, response.status)
            }
            connection.respond(HTTPResponse(status: response.status, headerFields: response.headerFields), body)
        case .failure(let refusal):
            refuse(connection, refusal)
        }
    }

    private func refuse(_ connection: Connection, _ refusal: HandshakeRefusal) {
        noteRefusal(connection, refusal, of: connection.endpoint.pointee.request)
        connection.respond(refusal.response, refusal.body)
    }

    /// - Parameter request: The refused request; `nil` if its head could not be read.
    private func noteRefusal(_ connection: Connection, _ refusal: HandshakeRefusal, of request: InboundRequest?) {
        if let request = request?.request, !ServerHandshake.isOpening(request) {
            metrics?.answered(request.method, refusal.status)
        } else {
            metrics?.refused(refusal)
        }
        logger.notice(
            "refused",
            metadata: [
                "peer": "\(connection.remoteAddress)", "status": "\(refusal.status.code)",
                "reason": "\(refusal.message)",
            ])
    }

    // MARK: Handlers

    private func start(_ target: Route.Target, _ connection: Connection, _ handshake: WebSocketHandshake) {
        switch target {
        case .onLoop(let makeHandler):
            connection.handle(with: makeHandler(handshake), handshake)
        case .task(let handler):
            start(handler, WebSocket(handle: connection.handle, handshake: handshake))
        }
    }

    private func start(_ handler: @escaping WebSocketServer.Handler, _ socket: WebSocket) {
        let id = socket.id
        state.withLock { state in
            // Under the lock, so that the task cannot end before it is recorded.
            let task = Task(executorPreference: socket.handle.loop) {
                // The frame of this closure exists for as long as the handler runs, so code that runs once is in
                // functions of its own, which keeps the frame small.
                do {
                    _ = socket.handle.withConnection { connection in
                        connection.handlerTask = withUnsafeCurrentTask { $0 }
                    }
                    try await handler(socket)
                    self.handlerEnded(socket.handle, nil)
                } catch {
                    self.handlerEnded(socket.handle, error)
                }
            }
            state.handlers[id] = RunningHandler(task: task, handle: socket.handle)
        }
    }

    /// Closes the connection after its handler has returned or thrown.
    @inline(never)
    private func handlerEnded(_ handle: ConnectionHandle, _ error: (any Error)?) {
        handle.close(closeFrame(after: error, handle))
        handlerReturned(handle.id)
    }

    /// Returns the Close frame for a connection whose handler has returned or thrown.
    private func closeFrame(after error: (any Error)?, _ handle: ConnectionHandle) -> CloseFrame {
        switch error {
        case nil:
            return CloseFrame(.normalClosure, "")
        case let error as WebSocketError where [.closed, .cancelled, .messageTooBig].contains(error.code):
            // The connection's end is already logged, or the server is shutting down.
            return CloseFrame(error.code == .cancelled ? .goingAway : .normalClosure, "")
        case let error as WebSocketCloseError:
            return error.frame
        case is CancellationError:
            return CloseFrame(.goingAway, "")
        case let error?:
            logger.error(
                "handler failed", metadata: ["connection": "\(handle.id)", "error": "\(error)"])
            return CloseFrame(.internalError, "")
        }
    }

    private func handlerReturned(_ id: UInt64) {
        let (canceller, waiters) = state.withLock { state in
            let handler = state.handlers.removeValue(forKey: id)
            return (handler?.canceller, takeIdleWaiters(&state))
        }
        canceller?.cancel()
        for waiter in waiters { waiter.resume() }
    }

    // MARK: Shutting down

    /// Refuses new connections and requests from now on.
    ///
    /// Responses that are being streamed may last for ever, so their tasks are cancelled.
    func beginShutdown() {
        let streams = state.withLock { state in
            state.isShuttingDown = true
            return state.answers.values.filter(\.isStreaming)
        }
        for stream in streams { stream.task.cancel() }
    }

    /// Waits until all connections, handlers and answers have ended.
    func waitUntilIdle() async {
        await withUnsafeContinuation { continuation in
            let isIdle = state.withLock { state in
                if ServerRuntime.isIdle(state) { return true }
                state.idleWaiters.append(continuation)
                return false
            }
            if isIdle { continuation.resume() }
        }
    }

    /// Ends the wait for handlers that do not return even though they have been cancelled.
    func giveUpWaiting() {
        let waiters = state.withLock { state in
            defer { state.idleWaiters = [] }
            return state.idleWaiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Whether all connections, handlers and answers have ended.
    var isIdle: Bool { state.withLock { ServerRuntime.isIdle($0) } }

    private static func isIdle(_ state: State) -> Bool {
        state.connections == 0 && state.handlers.isEmpty && state.answers.isEmpty
    }

    /// Cancels the handlers and answers that have not returned.
    func cancelHandlers() {
        let (handlers, answers) = state.withLock { (Array($0.handlers.values), Array($0.answers.values)) }
        for answer in answers { answer.task.cancel() }
        for handler in handlers { handler.cancel() }
    }

    private func takeIdleWaiters(_ state: inout State) -> [UnsafeContinuation<Void, Never>] {
        guard ServerRuntime.isIdle(state) else { return [] }
        defer { state.idleWaiters = [] }
        return state.idleWaiters
    }
}
