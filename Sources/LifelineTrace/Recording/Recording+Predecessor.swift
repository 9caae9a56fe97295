import Lifeline

extension Recording {
    /// A connection that came before another of its recording.
    public struct Predecessor: Hashable, Sendable {
        /// Its number.
        public var connection: UInt64
        /// The nanoseconds that have passed since it ended, or, where it had not ended, since it began.
        public var delay: Int64
        /// Whether it had ended, and the other follows it: the same two sides, for the same resource.
        public var hasEnded: Bool

        /// What to call the connection that follows it: `connection 2, 1.20 s after connection 1 ended`.
        func heading(of follower: UInt64) -> String {
            "\(Recording.heading(of: follower)), \(Duration.nanoseconds(delay).text()) after connection \(connection) "
                + (hasEnded ? "ended" : "began")
        }
    }

    /// What to call a connection that follows none.
    static func heading(of connection: UInt64) -> String { "connection \(connection)" }
}
