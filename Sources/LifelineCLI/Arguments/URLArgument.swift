import ArgumentParser
import Lifeline
import LifelineTrace

/// A WebSocket URL on the command line.
enum URLArgument {
    /// The help of an argument that says where to connect.
    static let help: ArgumentHelp =
        "The server: ws://host:port/path, or wss:// for TLS. Without a scheme, ws:// is assumed."

    /// Reads a URL. Without a scheme it is taken for `ws`: `localhost:8080/echo`.
    static func parse(_ text: String) throws -> WebSocketURL {
        let scheme = text.firstRange(of: "://").map { text[..<$0.lowerBound].lowercased() }
        do throws(WebSocketError) {
            return try WebSocketURL(scheme == nil ? "ws://" + text : text)
        } catch {
            if let scheme, let own = ["http": "ws", "https": "wss"][scheme] {
                throw ValidationError("the scheme must be ws or wss, not \(scheme); write \(own)://")
            }
            // ArgumentParser shows the argument itself, so only what follows the quoted URL is new.
            throw ValidationError(
                error.message.ranges(of: "\": ").last.map { String(error.message[$0.upperBound...]) } ?? error.message)
        }
    }
}

extension WebSocketURL {
    /// The URL without the values of secret parameters.
    var withoutSecrets: String { Redaction()("\(self)") }
}
