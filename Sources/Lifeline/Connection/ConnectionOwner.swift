import LifelineCore

/// Who a connection belongs to: a server, or a client's attempt to connect. Called on the connection's loop.
protocol ConnectionOwner: AnyObject, Sendable {
    /// TCP is there, and the connection has begun.
    func connectionEstablished(_ connection: Connection)

    /// A server: a request waits for its answer.
    func connection(_ connection: Connection, received request: InboundRequest)

    /// A client: the server agreed.
    func connectionOpened(_ connection: Connection)

    /// How the WebSocket ended is decided. TCP may have to be ended yet.
    func connectionEnded(_ connection: Connection)

    /// TCP has ended.
    func connectionTerminated(_ connection: Connection)
}
