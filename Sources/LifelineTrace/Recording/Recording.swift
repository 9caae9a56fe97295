#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A recording: the events of any number of connections, in order. Files have JSON Lines (`docs/recording.md`).
public struct Recording: Hashable, Sendable {
    /// The version of the format that is written. Later versions can be read too; unknown events become notes.
    public static let version = 1

    /// When the recording began, in the format of RFC 3339; `nil` if unknown.
    public var began: String?
    /// The events.
    public var events: [TraceEvent]
    /// What could not be read from the file, and is missing from the events or differs from the file. Omissions are not written.
    public var omissions: [Omission] = []

    /// Something that could not be read from a file.
    public struct Omission: Hashable, Sendable, CustomStringConvertible {
        /// The connection's number; `nil` if all connections are affected.
        public var connection: UInt64?
        /// What could not be read, and what replaces it.
        public var reason: String
        /// Whether a message, or a part of one, is missing.
        public var isMessage: Bool

        /// Creates an omission.
        public init(connection: UInt64?, reason: String, isMessage: Bool) {
            self.connection = connection
            self.reason = reason
            self.isMessage = isMessage
        }

        public var description: String { (connection.map { "connection \($0): " } ?? "") + reason }
    }

    /// Creates a recording.
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
        // Equal events produce equal bytes.
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Encoding fails only for NaN and infinity, which do not occur.
        guard let data = try? encoder.encode(value) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }

    /// Returns the first line of a file, without its line break.
    package static func header(began: String?) -> String {
        line(Header(lifelineRecording: version, began: began))
    }

    /// Returns the line of an event, without its line break.
    package static func line(_ event: TraceEvent) -> String {
        line(RecordedLine(event))
    }

    /// The whole recording as JSON Lines.
    public var text: String {
        ([Recording.header(began: began)] + events.map(Recording.line)).map { $0 + "\n" }.joined()
    }

    // MARK: Reading

    /// Parses JSON Lines.
    ///
    /// An incomplete last line, as after the writer was killed, is replaced by a note.
    ///
    /// - Throws: ``MalformedRecording`` if a line is not an event, or the first line is not a header.
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
                        line: 1, reason: "this is not a recording, which begins with {\"lifelineRecording\":1,…}")
                }
                guard header.lifelineRecording >= 1 else {
                    throw MalformedRecording(line: 1, reason: "version \(header.lifelineRecording) is unknown")
                }
                began = header.began
                parts.begin(header.began)
                continue
            }
            // Concatenated files each begin with a header: rotated files of one recording, or several recordings.
            if let header = try? decoder.decode(Header.self, from: data) {
                parts.begin(header.began)
                continue
            }
            guard let line = try? decoder.decode(RecordedLine.self, from: data) else {
                // A last line without a line break may be incomplete.
                if index == lines.count - 1, let last = events.last {
                    events.append(
                        TraceEvent(
                            time: last.time, connection: last.connection, observer: last.observer,
                            kind: .note("the recording ends in the middle of a line")))
                    return
                }
                throw MalformedRecording(line: index + 1, reason: "it is not an event")
            }
            switch line.parsed() {
            case .success(let event): events.append(parts.add(event))
            case .failure(let incomplete): throw MalformedRecording(line: index + 1, reason: incomplete.reason)
            }
        }
        if events.isEmpty, began == nil, !text.utf8.contains(UInt8(ascii: "{")) {
            throw MalformedRecording(line: 1, reason: "this is not a recording: it is empty")
        }
    }
}
