import ArgumentParser
import Lifeline
import LifelineTrace

/// A WebSocket's URL on the command line.
enum URLArgument {
    static func parse(_ text: String) throws -> WebSocketURL {
        do throws(WebSocketError) {
            return try WebSocketURL(text)
        } catch {
            throw ValidationError(error.message)
        }
    }
}

extension WebSocketURL {
    /// The URL as it may be shown: without the values of secret parameters.
    var withoutSecrets: String { Redaction()("\(self)") }
}
