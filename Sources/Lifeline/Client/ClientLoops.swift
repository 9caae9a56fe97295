import LifelineCore

/// Event loops of a client's own, for a program that minds where its connections run: a load generator.
///
/// They run until the process ends.
package struct ClientLoops: Sendable {
    private let engine: any Engine
    private let loops: [Loop]

    /// - Parameters:
    ///   - choice: What moves the bytes.
    ///   - count: The number of loops, each with a thread of its own.
    ///   - usesTLS: Whether the connections are to be those of `wss`.
    package init(_ choice: WebSocketEngine, count: Int, usesTLS: Bool) throws(WebSocketError) {
        engine = try EngineFactory.engine(choice, loopCount: count, usesTLS: usesTLS)
        loops = engine.loops
    }

    /// What the engine is called.
    package var engineName: String { engine.name }

    /// The loops as executors, in their order.
    package var executors: [any TaskExecutor] { loops }

    /// Runs a function on a loop. What it sends leaves when it returns.
    package func execute(on index: Int, _ work: @escaping @Sendable () -> Void) {
        let loop = loops[index]
        loop.driver.execute {
            loop.beginTurn()
            work()
            loop.endTurn()
        }
    }

    /// Opens a connection on a loop, with a handler that sees it to its end.
    package func open(
        _ url: WebSocketURL, _ configuration: WebSocketClientConfiguration, on index: Int,
        makeHandler: @escaping @Sendable (WebSocketHandshake) -> any OnLoopHandler
    ) async throws(WebSocketError) -> WebSocket {
        try await WebSocketClient.open(url, configuration, engine, on: loops[index], makeHandler: makeHandler)
    }
}
