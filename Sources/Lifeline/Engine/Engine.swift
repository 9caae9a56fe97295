package import LifelineCore

/// Loops, and the sockets on them: what servers and clients need of an engine.
package protocol Engine: AnyObject, Sendable {
    /// What is said of it in the log.
    var name: String { get }

    /// All loops.
    var loops: [Loop] { get }

    /// The loop for the next connection that this side opens.
    func nextLoop() -> Loop

    /// Listens, and gives each connection that comes to `acceptor`.
    ///
    /// - Returns: The address with the port that was found, and the socket.
    func listen(
        at address: ServerAddress, _ acceptor: any ConnectionAcceptor, _ tls: TLSContext?
    ) async throws -> (ServerAddress, any ListeningSocket)

    /// Connects on one of the engine's loops, and reports to the requester.
    func connect(to target: ConnectTarget, on loop: Loop, for requester: any ConnectionRequester)

    /// Randomness for what is made before there is a connection.
    func makeRandom() -> RandomPool

    /// Ends the threads of an engine with loops of its own. Nothing may be open any more.
    func shutDown() async
}

extension Engine {
    package func makeRandom() -> RandomPool { .system() }
}

/// A socket at which an engine listens.
package protocol ListeningSocket: Sendable {
    /// Stops listening.
    func close() async
}
