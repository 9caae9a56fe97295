import Lifeline

/// Finds the predecessor of each connection of a recording.
///
/// It is the last connection that had ended before, between the same two sides (the peer's address without its port) and for the same
/// resource, as when a client reconnects. Each connection is followed by at most one other in this way. If there is none, the predecessor
/// is the connection that began before.
enum ConnectionOrder {
    /// What is known about a connection.
    private struct Span {
        let number: UInt64
        let observer: WebSocketRole
        let began: Int64
        var ended: Int64?
        /// The peer: for a client the host and port that it connects to, for a server the client's address without its port.
        var peer: String?
        var resource: String?

        /// Whether one connection may continue the other.
        func resembles(_ other: Span) -> Bool {
            observer == other.observer && peer == other.peer
                // A failed attempt to connect has no request.
                && (resource == other.resource || resource == nil || other.resource == nil)
        }
    }

    /// Returns the predecessors of all connections but the first, by number.
    static func predecessors(of recording: Recording) -> [UInt64: Recording.Predecessor] {
        var result: [UInt64: Recording.Predecessor] = [:]
        let spans = spans(of: recording)
        // The indices of connections that end, in the order of their ends. None ends before it begins.
        let ends = spans.enumerated().compactMap { place, span in
            span.ended.map { (time: max($0, span.began), place: place) }
        }.sorted { ($0.time, $0.place) < ($1.time, $1.place) }
        var nextEnd = 0
        // Connections that have ended and that none follows, the latest last.
        var ended: [Span] = []
        var last: Span?
        for (place, span) in spans.enumerated() {
            while nextEnd < ends.count, ends[nextEnd].time <= span.began, ends[nextEnd].place < place {
                ended.append(spans[ends[nextEnd].place])
                nextEnd += 1
            }
            if ended.count > maximumEnded { ended.removeFirst(ended.count - maximumEnded) }
            if let index = ended.lastIndex(where: span.resembles) {
                let before = ended.remove(at: index)
                result[span.number] = Recording.Predecessor(
                    connection: before.number, delay: span.began.subtractingSaturating(before.ended ?? before.began),
                    hasEnded: true)
            } else if let last {
                result[span.number] = Recording.Predecessor(
                    connection: last.number, delay: span.began.subtractingSaturating(last.began), hasEnded: false)
            }
            last = span
        }
        return result
    }

    /// The most ended connections that are considered, which bounds the time for recordings of many connections.
    private static let maximumEnded = 1000

    /// Returns the connections in the order in which they began.
    private static func spans(of recording: Recording) -> [Span] {
        var spans: [Span] = []
        var places: [UInt64: Int] = [:]
        for event in recording.events {
            let place = places[event.connection] ?? spans.count
            if place == spans.count {
                places[event.connection] = place
                spans.append(Span(number: event.connection, observer: event.observer, began: event.time))
            }
            guard spans[place].observer == event.observer else { continue }
            switch event.kind {
            case .connecting(let host, let port): spans[place].peer = host + (port.map { ":\($0)" } ?? "")
            case .connected(let peer):
                spans[place].peer = spans[place].peer ?? String(peer[..<(peer.lastIndex(of: ":") ?? peer.endIndex)])
            case .request(_, let head):
                let target = head.target ?? ""
                spans[place].resource = spans[place].resource ?? (head.authority ?? "") + target.prefix { $0 != "?" }
            case .connectFailed, .ended, .tcpEnded: spans[place].ended = event.time
            default: break
            }
        }
        return spans.enumerated().sorted { ($0.element.began, $0.offset) < ($1.element.began, $1.offset) }
            .map(\.element)
    }
}
