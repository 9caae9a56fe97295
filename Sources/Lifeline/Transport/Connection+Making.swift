import LifelineCore

extension Serving {
    /// The server's side of a connection that has come.
    func makeConnection(on loop: Loop, _ transport: any Transport, remoteAddress: String) -> Connection {
        Connection(
            loop: loop, id: Engines.nextConnectionID(), transport: transport, remoteAddress: remoteAddress, owner: self,
            settings: connectionSettings,
            endpoint: Endpoint(
                server: endpointConfiguration, at: loop.driver.now(), random: &loop.random, memory: loop.memory))
    }
}

extension ConnectRequest {
    /// The client's side of a connection that stands.
    func makeConnection(on loop: Loop, _ transport: any Transport, remoteAddress: String) -> Connection {
        Connection(
            loop: loop, id: attempt.id, transport: transport, remoteAddress: remoteAddress, owner: attempt,
            settings: attempt.settings,
            endpoint: Endpoint(
                client: handshake, configuration: configuration.endpoint, at: loop.driver.now(), random: &loop.random,
                memory: loop.memory))
    }
}
