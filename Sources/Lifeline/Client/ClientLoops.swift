import LifelineCore
import Logging

/// Event loops for client connections, for a program that chooses the loop of each connection, such as a load
/// generator.
///
/// The loops run until the process ends.
package struct ClientLoops: Sendable {
    private let engine: any Engine
    private let loops: [Loop]

    /// - Parameters:
    ///   - choice: The engine that runs the loops.
    ///   - count: The number of loops, each with a thread of its own.
    ///   - usesTLS: Whether the connections use `wss`.
    package init(_ choice: WebSocketEngine, count: Int, usesTLS: Bool) throws(WebSocketError) {
        engine = try EngineFactory.engine(choice, loopCount: count, usesTLS: usesTLS, Logger(label: "lifeline.client"))
        loops = engine.loops
    }

    /// The name of the engine.
    package var engineName: String { engine.name }

    /// The loops as executors, in index order.
    package var executors: [any TaskExecutor] { loops }

    /// Runs a function on a loop, and flushes what it sends when it returns.
    package func execute(on index: Int, _ work: @escaping @Sendable () -> Void) {
        let loop = loops[index]
        loop.driver.execute {
            loop.beginTurn()
            work()
            loop.endTurn()
        }
    }

    /// Opens a connection on a loop, with an on-loop handler that receives its messages until it ends.
    package func open(
        _ url: WebSocketURL, _ configuration: WebSocketClientConfiguration, on index: Int,
        makeHandler: @escaping @Sendable (WebSocketHandshake) -> any OnLoopHandler
    ) async throws(WebSocketError) -> WebSocket {
        try await WebSocketClient.open(url, configuration, engine, on: loops[index], makeHandler: makeHandler)
    }
}
