import Lifeline
import LifelineTrace
import Logging

/// Writes the library's warnings and errors into the log of connections, and nothing else.
struct WarningLog: LogHandler {
    let log: ConnectionLog
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.warning

    init(log: ConnectionLog) {
        self.log = log
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let details = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
        log.note((["\(event.level): \(event.message)"] + details).joined(separator: ", ").visible())
    }
}
