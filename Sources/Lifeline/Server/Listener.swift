import LifelineCore

/// A server's listening socket.
struct Listener: Sendable {
    /// The address at which the server listens, with the actual port.
    let address: ServerAddress
    /// The server whose connections it accepts.
    let runtime: ServerRuntime
    /// The engine that serves.
    let engine: any Engine
    private let socket: any ListeningSocket

    static func listen(
        at address: ServerAddress, _ runtime: ServerRuntime, _ engine: any Engine, _ tls: TLSContext?
    ) async throws(WebSocketError) -> Listener {
        do {
            let (found, socket) = try await engine.listen(at: address, runtime, tls)
            return Listener(address: found, runtime: runtime, engine: engine, socket: socket)
        } catch {
            let message = "cannot listen on \(address): \(NetworkErrorText.describe(error))"
            throw WebSocketError(.listenFailed, message, underlyingError: error)
        }
    }

    /// Stops listening, closes each connection with 1001, waits until all connections and handlers have ended, and
    /// aborts those that exceed `shutdownTimeout`.
    func shutDown() async {
        runtime.beginShutdown()
        await socket.close()
        forEachConnection { $0.shutDown() }
        let runtime = runtime
        let timeout = runtime.configuration.shutdownTimeout
        let driver = engine.nextLoop().driver
        let force = Task(executorPreference: driver.backgroundExecutor) {
            guard (try? await driver.sleep(for: timeout)) != nil else { return }
            runtime.cancelHandlers()
            forEachConnection { $0.abort("the server's shutdown took longer than \(timeout) (shutdownTimeout)") }
            // Cancelled handlers have a second to return, so that one that ignores cancellation does not block the
            // shutdown.
            guard (try? await driver.sleep(for: .seconds(1))) != nil else { return }
            runtime.giveUpWaiting()
        }
        await runtime.waitUntilIdle()
        force.cancel()
        // A handler that still runs needs its loop.
        if runtime.isIdle { await engine.shutDown() }
    }

    private func forEachConnection(_ body: @escaping @Sendable (Connection) -> Void) {
        let runtime = runtime
        for loop in engine.loops {
            loop.driver.execute {
                loop.beginTurn()
                for connection in loop.connections where connection.owner === runtime { body(connection) }
                loop.endTurn()
            }
        }
    }
}
