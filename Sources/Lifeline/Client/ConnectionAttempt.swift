import HTTPTypes
import LifelineCore
import LifelineLocks
import Logging

/// A client's attempt to connect, from the name lookup to the server's response.
final class ConnectionAttempt: ConnectionOwner, ConnectionRequester {
    private typealias Outcome = Result<WebSocket, WebSocketError>

    private struct State {
        var continuation: UnsafeContinuation<Outcome, Never>?
        var handle: ConnectionHandle?
        var outcome: Outcome?
        var isCancelled = false
    }

    /// Makes the on-loop handler that receives all messages, starting with the first.
    typealias MakeHandler = @Sendable (WebSocketHandshake) -> any OnLoopHandler

    /// The connection's number, unique within the process.
    let id = ConnectionID.next()
    /// The buffer limits and the observer of the connection.
    let settings: ConnectionSettings
    /// The host and port of the URL, and the address if it is another. The request's `Host` field may differ.
    private let target: String
    private let handshake: ClientHandshake
    private let endpointConfiguration: EndpointConfiguration
    private let makeHandler: MakeHandler?
    private let logger: Logger
    private let clock: any LoopDriver
    private let state = Lock(State())

    /// The request that the client sends.
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

    /// Whether an observer is set.
    var isObserved: Bool { settings.observer != nil }

    /// Reports an event to the observer before there is a connection.
    func observe(_ kind: LifecycleEvent.Kind) {
        settings.observer?.observe(
            LifecycleEvent(connectionID: id, role: .client, instant: clock.now(), kind: kind))
    }

    /// Connects and waits for the server's response. Cancelling the task cancels the attempt.
    ///
    /// - Parameter connect: Asks an engine to connect. The engine calls ``connectFailed(_:)`` if it cannot connect;
    ///   otherwise the connection reports to its owner, this object.
    func run(_ connect: (ConnectionAttempt) -> Void) async throws(WebSocketError) -> WebSocket {
        let outcome = await withTaskCancellationHandler {
            // Not awaited, so that a cancelled task does not wait for a slow lookup or an unresponsive host.
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
        let message = "cannot connect to \(target): \(NetworkErrorText.describe(error))"
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

    /// Sets the result of the attempt, unless it is set already.
    ///
    /// - Returns: Whether this call set it.
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
        // The request is the connection's first output, and is flushed at the end of this turn.
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
            "connection failed",
            metadata: [
                "connection": "\(id)", "server": "\(request.authority ?? "")",
                "error": "\(SecretText.redacted(error.message))",
            ])
    }

    func connectionTerminated(_ connection: Connection) {
        state.withLock { $0.handle = nil }
    }

    /// Describes why a connection ended before it was opened.
    private func error(of connection: Connection) -> WebSocketError {
        if let failure = connection.endpoint.pointee.handshakeFailure {
            return WebSocketError(
                failure.reason == .refused ? .handshakeRefused : .handshakeFailed, failure.message,
                handshakeFailure: failure)
        }
        if let error = connection.transportError, TLSErrorText.isTLS(error) {
            let message = "TLS with \(request.authority ?? "") failed: \(NetworkErrorText.describe(error))"
            return WebSocketError(.tlsFailed, message, underlyingError: error)
        }
        return WebSocketError(
            .handshakeInterrupted,
            "the opening handshake was not completed: "
                + (connection.outcome?.failure.map { "\($0)" } ?? "the connection ended"),
            outcome: connection.outcome, underlyingError: connection.transportError)
    }
}
