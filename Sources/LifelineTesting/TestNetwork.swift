public import Lifeline
import LifelineCore

/// A network in memory, whose clock moves only when a test advances it.
///
/// Servers and clients whose configuration has its ``engine`` run all of their own code, without sockets and without
/// waiting:
///
/// ```swift
/// let network = TestNetwork()
/// var server = WebSocketServer(address: .hostname("localhost", port: 0))
/// server.configuration.engine = network.engine
/// server.route("/chat", handler: chat)
/// try await server.withServer { address in
///     var configuration = WebSocketClientConfiguration()
///     configuration.engine = network.engine
///     let url = "ws://localhost:\(address.port ?? 0)/chat"
///     try await WebSocketClient.connect(to: url, configuration: configuration) { socket in
///         try await socket.send("hello")
///     }
/// }
/// ```
///
/// It simulates the loopback interface of one machine: a client that connects to a port reaches the server that listens
/// there, whatever the host name. It has no TLS. Different networks are not connected.
///
/// Heartbeats, timeouts and `WebSocket.receive(upTo:within:)` use the network's clock. `Task.sleep` does
/// not: code under test that sleeps should take a sleep function from its caller, which can be ``sleep(for:)``.
public final class TestNetwork: Sendable {
    let simulation: SimulatedEngine

    /// Creates a network on which no server listens.
    ///
    /// - Parameters:
    ///   - seed: The seed of all random values, such as masking keys and Ping payloads. Default: 1.
    ///   - latency: How long data takes to arrive, in one direction. Default: zero.
    public init(seed: UInt64 = 1, latency: Duration = .zero) {
        simulation = SimulatedEngine(seed: seed, runsByItself: true)
        simulation.link = SimulatedLink(latency: latency)
    }

    /// The engine for `WebSocketServerConfiguration.engine` and `WebSocketClientConfiguration.engine`.
    public var engine: WebSocketEngine { .given(simulation) }

    /// Runs a function and all its child tasks in step with the network.
    ///
    /// ``advance(by:)`` then waits until every task of the function waits before it advances time, so a test gives the
    /// same result in each run.
    ///
    /// - Returns: What `body` returned.
    /// - Throws: What `body` threw.
    public nonisolated(nonsending) func run<Value, Failure: Error>(
        _ body: nonisolated(nonsending) () async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        try await withTaskExecutorPreference(simulation.network.elsewhere, operation: body)
    }

    /// Advances the clock once the network has nothing left to do at the current instant.
    ///
    /// Everything that becomes due on the way happens exactly when it is due. Tasks that were not started in
    /// ``run(_:)`` run concurrently with the network, so time may pass before they reach their next step.
    public func advance(by duration: Duration) async {
        await simulation.network.advanceWhenIdle(by: duration)
    }

    /// Suspends the task until the network's clock has advanced by a duration.
    ///
    /// - Throws: `CancellationError` if the task is cancelled.
    public func sleep(for duration: Duration) async throws {
        try await simulation.network.sleep(for: duration)
    }

    /// Resets TCP of all connections, at both ends, as when a middlebox restarts.
    public func resetConnections() async {
        let simulation = simulation
        _ = try? await simulation.network.perform {
            for transport in simulation.clientTransports + simulation.serverTransports where transport.isOpen {
                transport.receiveReset()
            }
        }
    }
}
