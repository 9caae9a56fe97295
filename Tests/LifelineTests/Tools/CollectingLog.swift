import Logging

/// Keeps the entries of a logger.
struct CollectingLog: LogHandler {
    struct Entry: Sendable {
        var level: Logger.Level
        var message: String
        var metadata: Logger.Metadata
    }

    let entries = Collected<Entry>()
    var logLevel = Logger.Level.trace
    var metadata: Logger.Metadata = [:]

    /// A logger whose entries are kept here.
    var logger: Logger { Logger(label: "test") { _ in self } }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        entries.append(
            Entry(level: event.level, message: "\(event.message)", metadata: event.metadata ?? [:]))
    }
}
