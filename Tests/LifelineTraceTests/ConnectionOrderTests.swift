import LifelineCore
import LifelineTrace
import Testing

@Suite("Predecessors of connections") struct ConnectionOrderTests {
    /// A connection of a recording: from when to when, whose, and for what.
    private struct Life {
        var number: UInt64
        var began: Int64
        var ended: Int64?
        var peer = "192.0.2.1:1"
        var target = "/chat?n=1"
    }

    private static func headings(_ lives: [Life]) -> [String] {
        var events: [TraceEvent] = []
        for life in lives {
            func add(_ time: Int64, _ kind: TraceEvent.Kind) {
                events.append(
                    TraceEvent(time: time * 1_000_000, connection: life.number, observer: .server, kind: kind))
            }
            add(life.began, .connected(peer: life.peer))
            add(life.began + 1, .request(.received, .init(method: "GET", target: life.target, authority: "h")))
            if let ended = life.ended { add(ended, .tcpEnded) }
        }
        events.sort { $0.time < $1.time }
        return SequenceDiagram.all(of: Recording(events: events)).map(\.heading)
    }

    @Test("A client that reconnects follows its own connection")
    func again() {
        #expect(
            Self.headings([
                Life(number: 1, began: 0, ended: 500), Life(number: 2, began: 100, ended: 600, peer: "192.0.2.2:1"),
                Life(number: 3, began: 700, peer: "192.0.2.1:99", target: "/chat?n=2"),
                Life(number: 4, began: 1600, peer: "192.0.2.2:7"),
            ]) == [
                "connection 1", "connection 2, 100 ms after connection 1 began",
                "connection 3, 200 ms after connection 1 ended", "connection 4, 1.00 s after connection 2 ended",
            ])
    }

    @Test("Each connection is followed once, and only by a similar one")
    func once() {
        #expect(
            Self.headings([
                Life(number: 7, began: 0, ended: 10), Life(number: 8, began: 20, target: "/other"),
                Life(number: 9, began: 30, ended: 40), Life(number: 10, began: 35), Life(number: 11, began: 50),
            ]) == [
                "connection 7", "connection 8, 20.0 ms after connection 7 began",
                "connection 9, 20.0 ms after connection 7 ended", "connection 10, 5.00 ms after connection 9 began",
                "connection 11, 10.0 ms after connection 9 ended",
            ])
    }

    @Test("Failed attempts are between the lost connection and the next one")
    func attempts() {
        let kinds: [(UInt64, Int64, TraceEvent.Kind)] = [
            (1, 0, .connecting(host: "h", port: 80)), (1, 1, .connected(peer: "[2001:db8::1]:80")),
            (1, 2, .request(.sent, .init(method: "GET", target: "/", authority: "h"))), (1, 9, .tcpEnded),
            (2, 10, .connecting(host: "h", port: 80)), (2, 20, .connectFailed(reason: "nothing is listening there")),
            (3, 50, .connecting(host: "h", port: 80)), (3, 51, .connected(peer: "192.0.2.1:80")),
            (3, 52, .request(.sent, .init(method: "GET", target: "/", authority: "h"))),
        ]
        let events = kinds.map { TraceEvent(time: $0.1 * 1_000_000, connection: $0.0, observer: .client, kind: $0.2) }
        #expect(
            SequenceDiagram.all(of: Recording(events: events)).map(\.heading) == [
                "connection 1", "connection 2, 1.00 ms after connection 1 ended",
                "connection 3, 30.0 ms after connection 2 ended",
            ])
    }

    @Test("A single connection has a heading, which renderers omit")
    func alone() {
        let diagrams = SequenceDiagram.all(
            of: Recording(events: [TraceEvent(time: 0, connection: 3, observer: .client, kind: .tcpEnded)]))
        #expect(diagrams.map(\.heading) == ["connection 3"])
        #expect(TerminalRenderer().render(diagrams) == TerminalRenderer().render(diagrams[0]))
        #expect(MermaidRenderer().render(diagrams) == MermaidRenderer().render(diagrams[0]))
        #expect(SVGRenderer().render(diagrams) == SVGRenderer().render(diagrams[0]))
        #expect(TerminalRenderer().render([]).isEmpty)
    }
}
