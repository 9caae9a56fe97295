import ArgumentParser
import Lifeline

/// An engine's name on the command line.
enum EngineName {
    static func parse(_ text: String) throws -> WebSocketEngine {
        guard let engine = WebSocketEngine(name: text) else {
            let names = WebSocketEngine.all.map(\.description).joined(separator: ", ")
            throw ValidationError("\(text.debugDescription) is no engine; there are \(names)")
        }
        return engine
    }
}
