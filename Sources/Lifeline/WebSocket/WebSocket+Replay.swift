package import LifelineCore
package import NIOCore

/// Control over single frames and over the end of a connection, for replaying one side of a recording.
extension WebSocket {
    /// Sends one frame of a message (RFC 6455 §5.4). A frame of a text message may end inside a character.
    ///
    /// It waits and throws as `send(_:)` does. A caller that begins a fragmented message must end it, because other
    /// messages wait.
    package nonisolated(nonsending) func send(
        _ kind: MessageKind, _ position: FragmentPosition, _ payload: ByteBuffer
    ) async throws(WebSocketError) {
        try await send(OutboundFrame(kind: kind, position: position, payload: payload))
    }

    /// Sends a Ping, and does not wait for its Pong.
    package func sendPing() {
        handle.execute { $0.sendPing() }
    }

    /// Begins the closing handshake with a frame unless it has begun, and does not wait for its end.
    package func beginClose(_ frame: CloseFrame) {
        handle.close(frame)
    }

    /// Aborts the connection: ends TCP without a closing handshake, or without waiting for the end of one.
    package func abort(_ reason: String) {
        handle.abort(reason)
    }

    /// Waits until TCP has ended.
    ///
    /// - Returns: How the connection ended.
    package nonisolated(nonsending) func end() async -> CloseOutcome {
        await handle.waitForTermination()
        // The outcome is set by the time TCP has ended.
        return await outcome.unsafelyUnwrapped
    }
}

extension Connection {
    fileprivate func sendPing() {
        loop.beginTurn()
        now = loop.driver.now()
        // A failure means that the connection is ending, or that too many Pings are outstanding.
        if (try? endpoint.pointee.ping(at: now)) != nil { noteOutputProgress() }
        settle()
        loop.endTurn()
    }
}
