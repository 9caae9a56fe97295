import ArgumentParser
import Lifeline

/// The name of an engine on the command line.
enum EngineName {
    /// Reads a name.
    ///
    /// - Throws: `ValidationError`, which lists the engines.
    static func parse(_ text: String) throws -> WebSocketEngine {
        guard let engine = WebSocketEngine(name: text) else {
            let names = WebSocketEngine.all.map(\.description).joined(separator: ", ")
            throw ValidationError("unknown engine; the engines are \(names)")
        }
        return engine
    }
}
