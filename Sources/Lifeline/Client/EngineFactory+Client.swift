extension EngineFactory {
    /// Returns the engine for a client's connection.
    static func engine(
        _ configuration: WebSocketClientConfiguration, usesTLS: Bool
    ) throws(WebSocketError) -> any Engine {
        try engine(configuration.engine, loopCount: nil, usesTLS: usesTLS, configuration.logger)
    }
}
