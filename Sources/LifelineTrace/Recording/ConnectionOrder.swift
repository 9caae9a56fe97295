import Lifeline

/// How the connections of a recording follow one another.
///
/// A connection follows the last one that had ended before it began, where that was between the same two sides (the peer's
/// address without its port) and for the same resource, as where a client connects again, and where no other follows that one
/// already. It is told of with the beginning of the one before it otherwise.
enum ConnectionOrder {
    /// What is known of a connection.
    private struct Span {
        let number: UInt64
        let observer: WebSocketRole
        let began: Int64
        var ended: Int64?
        /// Where a client connects, or, as a server sees it, from where, without the port.
        var peer: String?
        var resource: String?

        /// Whether another may be the same conversation, gone on with.
        func resembles(_ other: Span) -> Bool {
            observer == other.observer && peer == other.peer
                // An attempt that failed came to no request.
                && (resource == other.resource || resource == nil || other.resource == nil)
        }
    }

    /// What comes before each connection, but the first, by the connections' numbers.
    static func predecessors(of recording: Recording) -> [UInt64: Recording.Predecessor] {
        var result: [UInt64: Recording.Predecessor] = [:]
        let spans = spans(of: recording)
        // The places of those that end, in the order in which that is known: none ends before it begins.
        let ends = spans.enumerated().compactMap { place, span in
            span.ended.map { (time: max($0, span.began), place: place) }
        }.sorted { ($0.time, $0.place) < ($1.time, $1.place) }
        var nextEnd = 0
        // Those that have ended, and that none follows, with the last one at the end.
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

    /// The most connections that have ended and are remembered, so that a recording of many is read in reasonable time.
    private static let maximumEnded = 1000

    /// The connections in the order in which they began.
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
            case .connecting(let host, let port): spans[place].peer = "\(host):\(port)"
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
