public import Lifeline

/// A connection's life as a picture: two lifelines, arrows between them, and what is to be said at either.
///
/// It is what all renderers draw, and knows of no output.
public struct SequenceDiagram: Hashable, Sendable {
    /// What an arrow is; renderers colour by it.
    public enum Style: String, Hashable, Sendable {
        /// TCP's own.
        case transport
        /// The opening handshake.
        case handshake
        /// A text message, or a part of one.
        case text
        /// A binary message, or a part of one.
        case binary
        /// A Ping or a Pong.
        case heartbeat
        /// A Close frame.
        case close
        /// A frame that no rule has a meaning for.
        case other
    }

    /// The three phases of RFC 6455, and TCP's around them.
    public enum Phase: String, Hashable, Sendable {
        case connecting = "connecting"
        case handshake = "opening handshake"
        case messages = "messages"
        case closing = "closing"
    }

    /// Something that goes from one side to the other.
    public struct Arrow: Hashable, Sendable {
        /// Its number; `nil` for TCP's own.
        public var number: Int?
        /// When, in nanoseconds since the connection's first event.
        public var time: Int64
        /// Where it comes from.
        public var from: WebSocketRole
        /// What it is.
        public var style: Style
        /// What it is in a word or two: `text`, `Ping`, `GET /chat`.
        public var label: String
        /// What it carries: `"hello"`; empty where there is nothing to say.
        public var content: String
        /// More about it, each a few words: sizes, what was agreed on, the round trip's time.
        public var details: [String]
        /// The payload, as far as it is recorded.
        public var payload: [UInt8]?
    }

    /// Something that is said at a lifeline.
    public struct Note: Hashable, Sendable {
        /// When, in nanoseconds since the connection's first event.
        public var time: Int64
        /// At which lifeline; `nil` for both.
        public var side: WebSocketRole?
        /// What.
        public var text: String
        /// Whether it is about something that should not be.
        public var isWarning: Bool
    }

    /// A row of the picture.
    public enum Row: Hashable, Sendable {
        case phase(Phase)
        case arrow(Arrow)
        case note(Note)
        /// The time that passed, where it is long.
        case pause(nanoseconds: Int64)
        /// The arrows before, so many of them, have been repeated so many times more, up to a time.
        case repeats(arrows: Int, times: Int, until: Int64)
    }

    /// The connection's number in its recording.
    public var connection: UInt64
    /// What came before it in its recording; `nil` for the first connection, and where that was not looked for
    /// (``all(of:options:)`` does). Renderers of several diagrams say so.
    public var predecessor: Predecessor?
    /// What it is, in a line: the target and the host.
    public var title: String
    /// Who saw it.
    public var observer: WebSocketRole
    /// The rows.
    public var rows: [Row]

    /// The arrows alone.
    public var arrows: [Arrow] {
        rows.compactMap { row in if case .arrow(let arrow) = row { arrow } else { nil } }
    }

    /// What is said of arrows that are repeated.
    static func repetition(_ arrows: Int, _ times: Int) -> String {
        arrows == 1 ? "\(times) more" : "these \(arrows) \(times) more times"
    }

    /// How a diagram is made.
    public struct Options: Hashable, Sendable {
        /// From how long on the time between two rows is a row of its own, in nanoseconds. Default: one second.
        public var pause: Int64 = 1_000_000_000
        /// How often arrows must follow one another to be drawn once. Default: 3; `nil` draws all.
        public var collapses: Int? = 3
        /// The most characters of a payload that are shown. Default: 60.
        public var contentLimit = 60

        /// The defaults.
        public init() {}
    }

    /// Draws a connection of a recording.
    ///
    /// Where both sides of it were recorded under one number, the first one's events are drawn.
    public init(_ connection: UInt64, of recording: Recording, options: Options = Options()) {
        self.init(recording.events.filter { $0.connection == connection }, options: options)
    }

    /// Draws a connection's events.
    public init(_ events: [TraceEvent], options: Options = Options()) {
        var builder = DiagramBuilder(options: options, observer: events.first?.observer ?? .client)
        for event in events where event.observer == builder.observer { builder.add(event) }
        connection = events.first?.connection ?? 0
        title = builder.title
        observer = builder.observer == .client ? .client : .server
        rows = RowCollapser.collapse(builder.rows, options)
    }
}
