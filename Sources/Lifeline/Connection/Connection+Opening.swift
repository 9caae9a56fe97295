import HTTPTypes
import LifelineCore

/// A server's responses in the opening handshake.
extension Connection {
    /// Accepts the pending request with a response, and opens the WebSocket.
    func accept(_ response: HTTPResponse, compression: PerMessageDeflate? = nil) {
        endpoint.pointee.accept(response, compression: compression, at: now, random: &loop.random)
        wasOpened = true
        answered(response)
    }

    /// Answers the pending request without opening a WebSocket.
    func respond(_ response: HTTPResponse, _ body: [UInt8]) {
        endpoint.pointee.respond(response, body: body, at: now)
        answered(response)
    }

    /// Has a request answered that has waited, and reads on behind it; on the loop. Does nothing if the connection has ended.
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

    /// Shuts down gracefully: begins the closing handshake, or ends the connection if no WebSocket has been opened.
    func shutDown() {
        if endpoint.pointee.phase == .opening {
            abort("the server is shutting down")
        } else {
            close(CloseFrame(.goingAway, "the server is shutting down"))
        }
    }
}
