import HTTPTypes
import LifelineCore
import LifelineLocks
import Logging

/// A client's attempt to connect, from the name's lookup to the server's answer.
final class ConnectionAttempt: ConnectionOwner, ConnectionRequester {
    private typealias Outcome = Result<WebSocket, WebSocketError>

    private struct State {
        var continuation: UnsafeContinuation<Outcome, Never>?
        var handle: ConnectionHandle?
        var outcome: Outcome?
        var isCancelled = false
    }

    /// Makes the handler on the loop that is to receive messages from the first on.
    typealias MakeHandler = @Sendable (WebSocketHandshake) -> any OnLoopHandler

    /// The connection's number.
    let id = ConnectionID.next()
    /// What the connection is made with.
    let settings: ConnectionSettings
    /// The host and port of the URL, which the request's Host field need not be.
    private let target: String
    private let handshake: ClientHandshake
    private let endpointConfiguration: EndpointConfiguration
    private let makeHandler: MakeHandler?
    private let logger: Logger
    private let clock: any LoopDriver
    private let state = Lock(State())

    /// What is asked of the server.
    private var request: HTTPRequest { handshake.request }

    init(
        to target: String, _ handshake: ClientHandshake, _ configuration: WebSocketClientConfiguration,
        clock: any LoopDriver, makeHandler: MakeHandler? = nil
    ) {
        self.target = target
        self.handshake = handshake
        endpointConfiguration = configuration.endpoint
        settings = ConnectionSettings(configuration.buffers, configuration.observers)
        self.clock = clock
        self.makeHandler = makeHandler
        logger = configuration.logger
    }

    /// Whether somebody looks on.
    var isObserved: Bool { settings.observer != nil }

    /// Tells the observer of something before there is a connection.
    func observe(_ kind: LifecycleEvent.Kind) {
        settings.observer?.observe(
            LifecycleEvent(connectionID: id, role: .client, instant: clock.now(), kind: kind))
    }

    /// Connects and waits for the server's answer. Cancelling the task gives the attempt up.
    ///
    /// - Parameter connect: Has an engine begin to connect. It reports with ``connectFailed(_:)`` where no connection
    ///   comes about; one that does reports for itself.
    func run(_ connect: (ConnectionAttempt) -> Void) async throws(WebSocketError) -> WebSocket {
        let outcome = await withTaskCancellationHandler {
            // Not awaited: neither a slow lookup nor a silent host is to hold up a task that has been cancelled.
            connect(self)
            return await withUnsafeContinuation { continuation in
                let outcome = state.withLock { state in
                    if state.outcome == nil { state.continuation = continuation }
                    return state.outcome
                }
                if let outcome { continuation.resume(returning: outcome) }
            }
        } onCancel: {
            cancel()
        }
        return try outcome.get()
    }

    // MARK: ConnectionRequester

    func resolved(_ addresses: [String]) {
        observe(.resolved(addresses: addresses))
    }

    func makeConnection(on loop: Loop, over transport: any Transport, remoteAddress: String) -> Connection {
        Connection(
            loop: loop, id: id, transport: transport, remoteAddress: remoteAddress, owner: self, settings: settings,
            endpoint: Endpoint(
                client: handshake, configuration: endpointConfiguration, at: loop.driver.now(), random: &loop.random,
                memory: loop.memory))
    }

    func connectFailed(_ error: any Error) {
        let message = "no connection to \(target): \(NetworkErrorText.describe(error))"
        observe(.connectFailed(message))
        let failure = WebSocketError(.connectFailed, message, underlyingError: error)
        log(failure)
        finish(.failure(failure))
    }

    private func cancel() {
        let handle = state.withLock { state in
            state.isCancelled = true
            return state.handle
        }
        finish(.failure(.cancelled))
        handle?.abort("the task was cancelled")
    }

    /// Decides how the attempt ends.
    ///
    /// - Returns: Whether that had not been decided before.
    @discardableResult
    private func finish(_ outcome: Outcome) -> Bool {
        let (isFirst, continuation) = state.withLock { state in
            guard state.outcome == nil else { return (false, nil as UnsafeContinuation<Outcome, Never>?) }
            state.outcome = outcome
            return (true, state.continuation.take())
        }
        continuation?.resume(returning: outcome)
        return isFirst
    }

    // MARK: ConnectionOwner

    func connectionEstablished(_ connection: Connection) {
        let handle = connection.handle
        let isCancelled = state.withLock { state in
            state.handle = handle
            return state.isCancelled
        }
        if isCancelled { return connection.abort("the task was cancelled") }
        // It is the connection's first output, and leaves with this turn.
        connection.observe(.requestSent(request))
    }

    func connection(_ connection: Connection, received request: InboundRequest) {}

    func connectionOpened(_ connection: Connection) {
        guard let opening = connection.endpoint.pointee.opening else { return }
        let handshake = WebSocketHandshake(
            request: request, response: opening.response, agreement: opening.agreement,
            remoteAddress: connection.remoteAddress)
        state.withLock { $0.handle = nil }
        connection.wasOpened = true
        guard finish(.success(WebSocket(handle: connection.handle, handshake: handshake))) else {
            return connection.abort("the task was cancelled")
        }
        logger.info(
            "opened",
            metadata: [
                "connection": "\(id)", "server": "\(request.authority ?? "")", "peer": "\(connection.remoteAddress)",
            ])
        if let makeHandler { connection.handle(with: makeHandler(handshake), handshake) }
    }

    func connectionEnded(_ connection: Connection) {
        guard connection.wasOpened else {
            let error = error(of: connection)
            log(error)
            finish(.failure(error))
            return
        }
        guard let outcome = connection.outcome else { return }
        logger.info(
            "closed",
            metadata: [
                "connection": "\(id)", "code": "\(outcome.code.rawValue)",
                "outcome": "\(SecretText.redacted("\(outcome)"))",
            ])
    }

    private func log(_ error: WebSocketError) {
        logger.notice(
            "no connection",
            metadata: [
                "connection": "\(id)", "server": "\(request.authority ?? "")",
                "error": "\(SecretText.redacted(error.message))",
            ])
    }

    func connectionTerminated(_ connection: Connection) {
        state.withLock { $0.handle = nil }
    }

    /// Why no connection came about.
    private func error(of connection: Connection) -> WebSocketError {
        if let failure = connection.endpoint.pointee.handshakeFailure {
            return WebSocketError(
                failure.reason == .refused ? .handshakeRefused : .handshakeFailed, failure.message,
                handshakeFailure: failure)
        }
        if let error = connection.transportError, TLSErrorText.isTLS(error) {
            let message = "no TLS with \(request.authority ?? ""): \(NetworkErrorText.describe(error))"
            return WebSocketError(.tlsFailed, message, underlyingError: error)
        }
        return WebSocketError(
            .handshakeInterrupted,
            "the opening handshake was not completed: "
                + (connection.outcome?.failure.map { "\($0)" } ?? "the connection ended"),
            outcome: connection.outcome, underlyingError: connection.transportError)
    }
}
