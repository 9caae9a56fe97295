import ArgumentParser
import LifelineTrace

/// Whether and how a command records connections.
struct RecordingArguments: ParsableArguments {
    /// How much of each payload to record.
    enum Payloads: String, ExpressibleByArgument, CaseIterable {
        case none, preview, whole
    }

    @Option(
        help: ArgumentHelp(
            "Record every event to this file as JSON Lines, for lifeline draw and lifeline replay.", valueName: "file"),
        transform: FileName.parse)
    var record: String?

    @Option(
        help: ArgumentHelp(
            "How much of each payload to record: nothing, the first 256 bytes, or everything.", valueName: "amount"))
    var recordPayloads = Payloads.none

    @Option(
        help: ArgumentHelp(
            """
            Hide the values of header fields, query parameters and members of JSON messages with this name in \
            recordings, logs and drawings; repeatable. Authorization, Cookie, ?token= and similar ones are always \
            hidden. With this option, binary messages that are not text are left out.
            """, valueName: "name"))
    var redact: [String] = []

    @Option(
        help: ArgumentHelp(
            "The size at which the next file begins, in bytes; k, M and G are allowed.", valueName: "bytes")
    )
    var recordSize = ByteCount(64 << 20)

    /// The secrets that recordings, logs and drawings leave out.
    var redaction: Redaction { Redaction(names: redact) }

    func validate() throws {
        guard redact.allSatisfy({ $0.contains { $0.isLetter || $0.isNumber } }) else {
            throw ValidationError("--redact needs the name of a header field, a query parameter or a JSON member")
        }
    }

    /// The recorder, or `nil` without `--record`.
    ///
    /// - Throws: ``RecordingError`` if the file cannot be written.
    func recorder(payloads: Payloads? = nil) throws(RecordingError) -> Recorder? {
        guard let record else { return nil }
        var options = RecordingOptions()
        options.payloads =
            switch payloads ?? recordPayloads {
            case .none: .none
            case .preview: .preview(256)
            case .whole: .whole
            }
        options.redaction = redaction
        options.maximumFileSize = recordSize.bytes
        return try Recorder(path: record, options: options)
    }
}
