import LifelineCore

extension Serving {
    /// The server's side of a connection that has come.
    func makeConnection(on loop: Loop, _ transport: any Transport, remoteAddress: String) -> Connection {
        Connection(
            loop: loop, id: Engines.nextConnectionID(), transport: transport, remoteAddress: remoteAddress, owner: self,
            limits: configuration.buffers, observer: configuration.observer,
            endpoint: Endpoint(
                server: configuration.endpoint, at: loop.driver.now(), random: &loop.random, memory: loop.memory))
    }
}

extension ConnectRequest {
    /// The client's side of a connection that stands.
    func makeConnection(on loop: Loop, _ transport: any Transport, remoteAddress: String) -> Connection {
        Connection(
            loop: loop, id: Engines.nextConnectionID(), transport: transport, remoteAddress: remoteAddress,
            owner: attempt, limits: configuration.buffers, observer: configuration.observer,
            endpoint: Endpoint(
                client: handshake, configuration: configuration.endpoint, at: loop.driver.now(), random: &loop.random,
                memory: loop.memory))
    }
}
