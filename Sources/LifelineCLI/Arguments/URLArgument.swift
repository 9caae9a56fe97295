import ArgumentParser
import Lifeline

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
