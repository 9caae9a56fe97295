import HTTPTypes
import LifelineCore

/// A server's responses in the opening handshake.
extension Connection {
    /// Opens the WebSocket by sending the response to the pending request.
    ///
    /// - Parameters:
    ///   - configuration: The limits and timeouts of the open connection; `nil` to keep those of the opening handshake.
    ///   - settings: The settings of the open connection; `nil` to keep those of the opening handshake.
    func accept(
        _ response: HTTPResponse, compression: PerMessageDeflate? = nil,
        configuration: SharedEndpointConfiguration? = nil, settings: ConnectionSettings? = nil
    ) {
        if let settings {
            self.settings = settings
            transport?.setOutboundMarks(settings.limits.outbound)
        }
        endpoint.pointee.accept(
            response, compression: compression, configuration: configuration, at: now, random: &loop.random)
        wasOpened = true
        answered(response)
    }

    /// Sends the response to the pending request without opening a WebSocket.
    func respond(_ response: HTTPResponse, _ body: [UInt8]) {
        endExchange()
        endpoint.pointee.respond(response, body: body, at: now)
        answered(response)
    }

    /// Calls a function that answers the pending request, then resumes reading; on the loop. Does nothing if no request
    /// is pending, as after the end of the connection.
    func answer(_ answer: () -> Void) {
        guard endpoint.pointee.request != nil else { return }
        loop.beginTurn()
        now = loop.driver.now()
        answer()
        setReading()
        loop.endTurn()
    }

    private func answered(_ response: HTTPResponse) {
        observe(.responseSent(response))
        settle()
    }

    /// Shuts the connection down gracefully: begins the closing handshake if the WebSocket is open, answers a request that
    /// waits with 503, and aborts otherwise.
    func shutDown() {
        if endpoint.pointee.phase == .opening {
            guard !endpoint.pointee.endAfterResponse() else { return }
            now = loop.driver.now()
            endpoint.pointee.end(with: .shuttingDown, at: now)
            settle()
        } else {
            close(CloseFrame(.goingAway, "the server is shutting down"))
        }
    }
}

extension HandshakeRefusal {
    /// The refusal of a server that shuts down.
    static var shuttingDown: HandshakeRefusal {
        HandshakeRefusal(
            reason: .unavailable, status: .serviceUnavailable, message: "the server is shutting down",
            headerFields: [.retryAfter: "5"])
    }
}
