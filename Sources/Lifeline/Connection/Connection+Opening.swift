import HTTPTypes
import LifelineCore

/// A server's answers in the opening handshake.
extension Connection {
    /// Opens the WebSocket with the given answer to the request that waits.
    func accept(_ response: HTTPResponse, compression: PerMessageDeflate? = nil) {
        endpoint.pointee.accept(response, compression: compression, at: now, random: &loop.random)
        wasOpened = true
        answered(response)
    }

    /// Answers the request that waits without opening anything.
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

    /// A server's graceful shutdown: the closing handshake where a WebSocket is open, the end where none is.
    func shutDown() {
        if endpoint.pointee.phase == .opening {
            abort("the server is shutting down")
        } else {
            close(CloseFrame(.goingAway, "the server is shutting down"))
        }
    }
}
