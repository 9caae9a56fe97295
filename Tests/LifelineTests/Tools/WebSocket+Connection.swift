@testable import Lifeline

extension WebSocket {
    /// The connection, for tests on the loop that look inside.
    var connection: Connection {
        guard let connection = handle.withConnection({ $0 }) else { preconditionFailure("it has ended") }
        return connection
    }
}
