package import LifelineCore

/// Event loops with sockets: the interface between servers and clients and an engine.
package protocol Engine: AnyObject, Sendable {
    /// The engine's name in the log.
    var name: String { get }

    /// All loops.
    var loops: [Loop] { get }

    /// Returns the loop for the next connection that a client opens.
    func nextLoop() -> Loop

    /// Listens, and gives each accepted connection to `acceptor`.
    ///
    /// - Returns: The address with the actual port, and the socket.
    func listen(
        at address: ServerAddress, _ acceptor: any ConnectionAcceptor, _ tls: TLSContext?
    ) async throws -> (ServerAddress, any ListeningSocket)

    /// Connects on one of the engine's loops, and reports to the requester.
    func connect(to target: ConnectTarget, on loop: Loop, for requester: any ConnectionRequester)

    /// Makes a source of randomness for use before there is a connection.
    func makeRandom() -> RandomPool

    /// Ends the threads of an engine with loops of its own. All sockets must have been closed.
    func shutDown() async
}

extension Engine {
    package func makeRandom() -> RandomPool { .system() }
}

/// A socket on which an engine listens.
package protocol ListeningSocket: Sendable {
    /// Stops listening.
    func close() async
}
