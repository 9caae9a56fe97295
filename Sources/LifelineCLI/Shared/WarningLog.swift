import Lifeline
import LifelineTrace
import Logging

/// Writes the warnings and errors of the library to the log of connections.
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
