import ArgumentParser
import LifelineTrace

/// Whether and how a recording is made.
struct RecordingArguments: ParsableArguments {
    /// What is recorded of payloads.
    enum Payloads: String, ExpressibleByArgument, CaseIterable {
        case none, preview, whole
    }

    @Option(
        help: ArgumentHelp("Record every step to a file, as JSON Lines; lifeline draw shows it.", valueName: "file"))
    var record: String?

    @Option(help: "What to record of payloads: none, the first 256 bytes, or all of them.")
    var recordPayloads = Payloads.none

    @Option(
        help: ArgumentHelp(
            """
            A header field, a parameter of the request's query, or a member of JSON messages whose value is not to be \
            recorded, logged or shown; repeatable. Authorization, Cookie, ?token= and the like never are. Binary messages \
            that are no text are left out then.
            """, valueName: "name"))
    var redact: [String] = []

    @Option(help: ArgumentHelp("The most bytes of the file, before the next one is begun.", valueName: "bytes"))
    var recordSize = ByteCount(64 << 20)

    /// What is secret, for all that is recorded, logged and shown.
    var redaction: Redaction { Redaction(names: redact) }

    func validate() throws {
        guard redact.allSatisfy({ $0.contains { $0.isLetter || $0.isNumber } }) else {
            throw ValidationError("--redact must name something: a header field, a parameter, or a member")
        }
    }

    /// The recorder; `nil` where none is asked for.
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
