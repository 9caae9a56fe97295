public import Lifeline

/// A sequence diagram of a connection: two lifelines, arrows between them, and notes.
///
/// It is the model that all renderers draw, independent of the output format.
public struct SequenceDiagram: Hashable, Sendable {
    /// The kind of an arrow. Renderers choose colours by it.
    @nonexhaustive(warn)
    public enum Style: String, Hashable, Sendable {
        /// An event of TCP.
        case transport
        /// The opening handshake.
        case handshake
        /// A text message, or a fragment of one.
        case text
        /// A binary message, or a fragment of one.
        case binary
        /// A Ping or a Pong.
        case heartbeat
        /// A Close frame.
        case close
        /// A frame with a reserved opcode.
        case other
    }

    /// The phases of a connection. The raw value is the text in the diagram.
    public enum Phase: String, Hashable, Sendable {
        /// Name resolution, TCP and TLS.
        case connecting = "connecting"
        /// The opening handshake (RFC 6455 §4).
        case handshake = "opening handshake"
        /// Messages, Pings and Pongs.
        case messages = "messages"
        /// The closing handshake (RFC 6455 §7), and the end of TCP.
        case closing = "closing"
    }

    /// An arrow between client and server.
    public struct Arrow: Hashable, Sendable {
        /// The arrow's number; `nil` for events of TCP.
        public var number: Int?
        /// The time, in nanoseconds since the connection's first event.
        public var time: Int64
        /// The sender.
        public var from: WebSocketRole
        /// The kind of the arrow.
        public var style: Style
        /// A short name: `text`, `Ping`, `GET /chat`.
        public var label: String
        /// The content, shortened: `“hello”`; empty if there is none.
        public var content: String
        /// Details of a few words each: sizes, header fields, the round-trip time.
        public var details: [String]
        /// The recorded part of the payload.
        public var payload: [UInt8]?
    }

    /// A note at a lifeline.
    public struct Note: Hashable, Sendable {
        /// The time, in nanoseconds since the connection's first event.
        public var time: Int64
        /// The lifeline; `nil` for both.
        public var side: WebSocketRole?
        /// The text.
        public var text: String
        /// Whether the note reports a problem.
        public var isWarning: Bool
    }

    /// A row of the diagram.
    @nonexhaustive(warn)
    public enum Row: Hashable, Sendable {
        /// A phase begins.
        case phase(Phase)
        /// An arrow.
        case arrow(Arrow)
        /// A note.
        case note(Note)
        /// A long time passes.
        case pause(nanoseconds: Int64)
        /// The preceding `arrows` arrows repeat `times` more times, the last at `until`.
        case repeats(arrows: Int, times: Int, until: Int64)
    }

    /// The connection's number in its recording.
    public var connection: UInt64
    /// The connection that preceded this one in its recording; `nil` for the first. Only ``all(of:options:)`` sets it. Renderers of
    /// several diagrams show it.
    public var predecessor: Predecessor?
    /// A title of one line: the host and the target.
    public var title: String
    /// Who observed the connection.
    public var observer: WebSocketRole
    /// The rows, from top to bottom.
    public var rows: [Row]

    /// The arrows among the rows.
    public var arrows: [Arrow] {
        rows.compactMap { row in if case .arrow(let arrow) = row { arrow } else { nil } }
    }

    /// Returns the text for repeated arrows.
    static func repetition(_ arrows: Int, _ times: Int) -> String {
        arrows == 1 ? "\(times) more" : "these \(arrows) \(times) more times"
    }

    /// The options of a diagram.
    public struct Options: Hashable, Sendable {
        /// The shortest time between two rows that is shown as a pause, in nanoseconds. Default: 1.5 seconds, so that a
        /// stream of one message a second does not have one now and then.
        public var pause: Int64 = 1_500_000_000
        /// How often a sequence of arrows must be repeated to be collapsed; `nil` collapses nothing. Default: 3.
        public var collapses: Int? = 3
        /// The most characters of a payload to show. Default: 80.
        public var contentLimit = 80

        /// Creates the defaults.
        public init() {}
    }

    /// Creates a diagram of a connection of a recording.
    ///
    /// If both sides were recorded under one number, the diagram has the events of the observer of the first event.
    public init(_ connection: UInt64, of recording: Recording, options: Options = Options()) {
        self.init(recording.events.filter { $0.connection == connection }, options: options)
    }

    /// Creates a diagram of a connection's events.
    public init(_ events: [TraceEvent], options: Options = Options()) {
        var builder = DiagramBuilder(options: options, observer: events.first?.observer ?? .client)
        for event in events where event.observer == builder.observer { builder.add(event) }
        connection = events.first?.connection ?? 0
        title = builder.title
        observer = builder.observer == .client ? .client : .server
        rows = RowCollapser.collapse(builder.rows, options)
    }
}
