package import LifelineCore
package import NIOCore

/// What a connection does frame by frame: for a recorded side that is played once more.
extension WebSocket {
    /// Sends a frame of a message (RFC 6455 §5.4), as large as it is; text need not end with a character.
    ///
    /// It waits, and throws, as `send(_:)` does. Whoever begins a message in fragments must end it: other messages wait.
    package nonisolated(nonsending) func send(
        _ kind: MessageKind, _ position: FragmentPosition, _ payload: ByteBuffer
    ) async throws(WebSocketError) {
        try await send(OutboundFrame(kind: kind, position: position, payload: payload))
    }

    /// Sends a Ping behind what has been sent, and does not wait for its Pong.
    package func sendPing() {
        handle.execute { $0.sendPing() }
    }

    /// Begins the closing handshake with a frame, if it has not begun, and does not wait for its end.
    package func beginClose(_ frame: CloseFrame) {
        handle.close(frame)
    }

    /// Ends TCP without a closing handshake, or without waiting for its end any longer.
    package func abort(_ reason: String) {
        handle.abort(reason)
    }

    /// Waits for the end of TCP, which somebody must have begun.
    ///
    /// - Returns: How the connection ended.
    package nonisolated(nonsending) func end() async -> CloseOutcome {
        await handle.waitForTermination()
        // Decided by the time TCP has ended.
        return await outcome.unsafelyUnwrapped
    }
}

extension Connection {
    fileprivate func sendPing() {
        loop.beginTurn()
        now = loop.driver.now()
        // Where it cannot go out, the connection is ending, or Pings enough are on their way.
        if case .success = endpoint.pointee.ping(at: now) { noteOutputProgress() }
        settle()
        loop.endTurn()
    }
}
