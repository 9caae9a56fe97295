import LifelineCore

/// A server's listening socket.
struct Listener: Sendable {
    /// The address at which it listens, with the port that was found.
    let address: ServerAddress
    private let socket: any ListeningSocket
    private let runtime: ServerRuntime
    private let engine: any Engine

    static func listen(
        at address: ServerAddress, _ runtime: ServerRuntime, _ engine: any Engine, _ tls: TLSContext?
    ) async throws(WebSocketError) -> Listener {
        do {
            let (found, socket) = try await engine.listen(at: address, runtime, tls)
            return Listener(address: found, socket: socket, runtime: runtime, engine: engine)
        } catch {
            let message = "cannot listen at \(address): \(NetworkErrorText.describe(error))"
            throw WebSocketError(.listenFailed, message, underlyingError: error)
        }
    }

    /// Stops listening, closes each connection with 1001, waits for the answers, and ends what has not ended in time.
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
            forEachConnection { $0.abort("the server's shutdown took longer than \(timeout)") }
            // What has been cancelled gets a moment to return; a handler that ignores it cannot hold up the shutdown.
            guard (try? await driver.sleep(for: .seconds(1))) != nil else { return }
            runtime.giveUpWaiting()
        }
        await runtime.waitUntilIdle()
        force.cancel()
        // A handler that goes on regardless still needs its loop.
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
