import LifelineCore

/// The owner of a connection: a server, or a client's attempt to connect. Connections call it on their loop.
protocol ConnectionOwner: AnyObject, Sendable {
    /// Called when TCP is established.
    func connectionEstablished(_ connection: Connection)

    /// Called on a server when a request has arrived, which the server must answer.
    func connection(_ connection: Connection, received request: InboundRequest)

    /// Called on a client when the opening handshake has succeeded.
    func connectionOpened(_ connection: Connection)

    /// Called when the outcome of the WebSocket is set. TCP may still be open.
    func connectionEnded(_ connection: Connection)

    /// Called when TCP has ended.
    func connectionTerminated(_ connection: Connection)
}
