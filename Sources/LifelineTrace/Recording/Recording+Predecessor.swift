import Lifeline

extension Recording {
    /// The connection that preceded another one of its recording.
    public struct Predecessor: Hashable, Sendable {
        /// The number of the predecessor.
        public var connection: UInt64
        /// The nanoseconds since the predecessor ended or, if it had not ended, since it began.
        public var delay: Int64
        /// Whether the predecessor had ended, between the same two sides and for the same resource, so that the other connection
        /// continues it.
        public var hasEnded: Bool

        /// Returns the heading of the connection that follows: `connection 2, 1.20 s after connection 1 ended`.
        func heading(of follower: UInt64) -> String {
            "\(Recording.heading(of: follower)), \(Duration.nanoseconds(delay).text()) after connection \(connection) "
                + (hasEnded ? "ended" : "began")
        }
    }

    /// Returns the heading of a connection without a predecessor.
    static func heading(of connection: UInt64) -> String { "connection \(connection)" }
}
