#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A recording: the events of any number of connections in their order, as JSON Lines (`docs/recording.md`).
public struct Recording: Hashable, Sendable {
    /// The version of the format that is written. A reader of this version reads later ones too, as far as it knows their
    /// events.
    public static let version = 1

    /// When it began, as RFC 3339 writes it; `nil` where that is not known.
    public var began: String?
    /// The events.
    public var events: [TraceEvent]
    /// What could not be read of the file, and is missing from the events, or stands among them otherwise than there. It is not
    /// written.
    public var omissions: [Omission] = []

    /// Something that could not be read of a file.
    public struct Omission: Hashable, Sendable, CustomStringConvertible {
        /// The connection's number; `nil` where it concerns them all.
        public var connection: UInt64?
        /// What, and what has become of it.
        public var reason: String
        /// Whether it is a message, or part of one, so that the conversation is not whole.
        public var isMessage: Bool

        /// Something that could not be read.
        public init(connection: UInt64?, reason: String, isMessage: Bool) {
            self.connection = connection
            self.reason = reason
            self.isMessage = isMessage
        }

        public var description: String { (connection.map { "connection \($0): " } ?? "") + reason }
    }

    /// A recording.
    public init(began: String? = nil, events: [TraceEvent] = []) {
        self.began = began
        self.events = events
    }

    /// The numbers of the connections, in the order in which they appear.
    public var connections: [UInt64] {
        var seen: Set<UInt64> = []
        return events.map(\.connection).filter { seen.insert($0).inserted }
    }

    // MARK: Writing

    /// The first line of every file.
    private struct Header: Codable {
        var lifelineRecording: Int
        var began: String?
    }

    private static func line(_ value: some Encodable) -> String {
        let encoder = JSONEncoder()
        // The same events give the same bytes.
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Only numbers that JSON does not have could fail, and there are none.
        guard let data = try? encoder.encode(value) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }

    /// The first line of a file.
    public static func header(began: String?) -> String {
        line(Header(lifelineRecording: version, began: began))
    }

    /// An event's line, without its end.
    public static func line(_ event: TraceEvent) -> String {
        line(RecordedLine(event))
    }

    /// The whole recording as JSON Lines.
    public var text: String {
        ([Recording.header(began: began)] + events.map(Recording.line)).map { $0 + "\n" }.joined()
    }

    // MARK: Reading

    /// Reads JSON Lines.
    ///
    /// A last line that breaks off, as where the writer was killed, is left out, and a note says so.
    ///
    /// - Throws: ``MalformedRecording`` where a line is no event, or the first one no header.
    public init(_ text: some StringProtocol) throws(MalformedRecording) {
        self.init()
        var parts = RecordingParts()
        let decoder = JSONDecoder()
        let lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, bytes) in lines.enumerated() {
            if bytes.allSatisfy({ $0 == 0x20 || $0 == 0x0D || $0 == 0x09 }) { continue }
            let data = Data(bytes)
            if index == 0 {
                guard let header = try? decoder.decode(Header.self, from: data) else {
                    throw MalformedRecording(
                        line: 1, reason: "no recording: it does not begin with {\"lifelineRecording\":1,…}")
                }
                guard header.lifelineRecording >= 1 else {
                    throw MalformedRecording(line: 1, reason: "version \(header.lifelineRecording) is unknown")
                }
                began = header.began
                parts.begin(header.began)
                continue
            }
            // A rotated file that was put behind another begins with a header too, and so does another recording.
            if let header = try? decoder.decode(Header.self, from: data) {
                parts.begin(header.began)
                continue
            }
            guard let line = try? decoder.decode(RecordedLine.self, from: data) else {
                // Without a line's end behind it, it may have been cut.
                if index == lines.count - 1, let last = events.last {
                    events.append(
                        TraceEvent(
                            time: last.time, connection: last.connection, observer: last.observer,
                            kind: .note("the recording breaks off here")))
                    return
                }
                throw MalformedRecording(line: index + 1, reason: "no event")
            }
            switch line.parsed() {
            case .success(let event): events.append(parts.add(event))
            case .failure(let incomplete): throw MalformedRecording(line: index + 1, reason: incomplete.reason)
            }
        }
        if events.isEmpty, began == nil, !text.utf8.contains(UInt8(ascii: "{")) {
            throw MalformedRecording(line: 1, reason: "no recording: it is empty")
        }
    }
}
