public import Lifeline
import LifelineCore

/// A network in memory, with a clock that moves only when a test says so.
///
/// Servers and clients whose configuration has its ``engine`` run through all of their own code, without sockets and without
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
/// It is one machine's loopback: a client that connects to a port reaches the server that listens there, whatever the host's
/// name. It has no TLS. All networks of a process are apart.
///
/// Heartbeats, timeouts and ``Lifeline/WebSocket/receive(upTo:within:)`` take the network's time. `Task.sleep` does not; code
/// under test that waits by itself should take a clock from its caller, which may use ``sleep(for:)``.
public final class TestNetwork: Sendable {
    let simulation: SimulatedEngine

    /// Makes a network on which nobody listens.
    ///
    /// - Parameters:
    ///   - seed: Decides masking keys, Ping payloads and whatever else is left to chance. Default: 1.
    ///   - latency: How long each piece of data is on its way. Default: no time at all.
    public init(seed: UInt64 = 1, latency: Duration = .zero) {
        simulation = SimulatedEngine(seed: seed, runsByItself: true)
        simulation.link = SimulatedLink(latency: latency)
    }

    /// The engine for `WebSocketServerConfiguration.engine` and `WebSocketClientConfiguration.engine`.
    public var engine: WebSocketEngine { .given(simulation) }

    /// Runs a function, with all its child tasks, in step with the network.
    ///
    /// ``advance(by:)`` then lets time pass only when every task of the function waits, so a test gives the same result in each
    /// run.
    ///
    /// - Returns: What `body` returned.
    /// - Throws: What `body` threw.
    public nonisolated(nonsending) func run<Value, Failure: Error>(
        _ body: nonisolated(nonsending) () async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        try await withTaskExecutorPreference(simulation.network.elsewhere, operation: body)
    }

    /// Lets time pass, once the network has nothing left to do at the present instant.
    ///
    /// Everything that is due on the way happens exactly when it is due. Tasks that were not started by ``run(_:)`` run beside the
    /// network, and may not have come to what they were about to do.
    public func advance(by duration: Duration) async {
        await simulation.network.advanceWhenIdle(by: duration)
    }

    /// Suspends the task for some of the network's time.
    ///
    /// - Throws: `CancellationError` if the task is cancelled.
    public func sleep(for duration: Duration) async throws {
        try await simulation.network.sleep(for: duration)
    }

    /// Ends TCP of all connections with a reset, as when a middlebox restarts.
    public func resetConnections() async {
        let simulation = simulation
        _ = try? await simulation.network.perform {
            for transport in simulation.clientTransports where transport.isOpen { transport.reset() }
        }
    }
}
