import Lifeline
import Testing

@testable import LifelineTrace

@Suite("Numbers in untrusted files that are out of range") struct AbsurdNumberTests {
    private static let numbers = [
        "0", "-1", "9007199254740993", "9223372036854775807", "-9223372036854775808", "18446744073709551615", "1e300",
    ]

    /// Draws a recording in each form, at once and as it comes.
    private static func draw(_ recording: Recording) -> [String] {
        let diagrams = SequenceDiagram.all(of: recording)
        let drawings = [
            TerminalRenderer().render(diagrams), SVGRenderer().render(diagrams), MermaidRenderer().render(diagrams),
        ]
        var live = LiveDiagram(observer: recording.events.first?.observer ?? .client, renderer: TerminalRenderer())
        var lines = recording.events.flatMap { live.add($0) }
        lines += live.end()
        return drawings + [lines.joined(separator: "\n"), HAR.write(recording, software: "test")]
    }

    /// The text with one of its numbers after the other replaced by each of the absurd ones, and the member's name.
    private static func variants(_ text: String) -> [(name: String, text: String)] {
        text.matches(of: #/"(\w+)"\s*:\s*(-?[0-9][0-9.eE+-]*)/#).flatMap { match in
            numbers.map { number in
                var changed = text
                changed.replaceSubrange(match.output.2.startIndex..<match.output.2.endIndex, with: number)
                return (String(match.output.1), changed)
            }
        }
    }

    @Test("Each number of a recording is drawn, or rejected with its line")
    func recordings() {
        let text = Recording(
            events: RecordingTests.everyKind.enumerated().map { index, kind in
                TraceEvent(time: Int64(index), connection: 1, observer: index % 5 == 4 ? .server : .client, kind: kind)
            }
        ).text
        var names: Set<String> = []
        for (name, changed) in Self.variants(text) {
            do {
                let recording = try Recording(changed)
                #expect(Self.draw(recording).allSatisfy { $0.utf8.count < 100_000 })
                #expect(try Recording(recording.text) == recording)
                names.insert(name)
            } catch {
                #expect(error.line > 0)
            }
        }
        #expect(names.isSuperset(of: ["t", "c", "length", "size", "wire", "frames", "nanoseconds", "pending", "port"]))
        #expect(names.isSuperset(of: ["status", "code", "opcode", "sentBytes", "receivedWireBytes"]))
    }

    @Test("Each number of an archive is drawn, or rejected with a reason")
    func archives() throws {
        let recording = try GoldenTests.recording("conversation")
        var count = 0
        for (name, changed) in Self.variants(HAR.write(recording, software: "test")) {
            do {
                let read = try HAR.read(changed)
                #expect(Self.draw(read).allSatisfy { $0.utf8.count < 1_000_000 }, "\(name)")
                count += 1
            } catch {
                #expect(!error.description.isEmpty)
            }
        }
        #expect(count > 10)
    }

    @Test(
        "Times that are far apart, in either order, are drawn in days",
        arguments: [(.min, .max), (.max, .min), (0, .max), (.min, 0), (-1, .min)] as [(Int64, Int64)],
        [1, 2] as [UInt64])
    func farApart(times: (first: Int64, second: Int64), connection: UInt64) {
        let (first, second) = times
        let drawings = Self.draw(
            Recording(events: [
                TraceEvent(time: first, connection: 1, observer: .server, kind: .tcpEnded),
                TraceEvent(time: first, connection: 1, observer: .server, kind: .note("a")),
                TraceEvent(time: second, connection: connection, observer: .server, kind: .note("b")),
            ]))
        #expect(drawings[0].contains("106752 d"), "\(drawings[0])")
    }

    @Test(
        "A recording that began at an end of the calendar is written as an archive",
        arguments: [
            "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "0000-00-00T00:00:00Z", "99999-01-01T00:00:00Z", "",
        ], [Int64.min, 0, .max])
    func calendar(began: String, time: Int64) throws {
        let request = TraceEvent.Kind.request(.sent, .init(method: "GET", target: "/", authority: "h"))
        let message = TraceEvent.Kind.message(.sent, .init(isText: true, size: 1, wireSize: 1, payload: [97]))
        let recording = Recording(
            began: began,
            events: [request, message].map { TraceEvent(time: time, connection: 1, observer: .client, kind: $0) })
        let archive = HAR.write(recording, software: "test")
        // A year of five digits is none of RFC 3339.
        if let read = try? HAR.read(archive) { _ = Self.draw(read) }
        #expect(archive.contains("_webSocketMessages"))
    }

    @Test("Sizes out of range are shown unchanged")
    func sizes() {
        let huge = TraceEvent.Message(isText: true, size: .max, wireSize: 1, isCompressed: true, frames: .max)
        let frame = TraceEvent.Frame(opcode: 1, isMasked: true, length: .max)
        #expect(frame.wireLength == .max)
        let drawings = Self.draw(
            Recording(events: [
                TraceEvent(time: 0, connection: 1, observer: .client, kind: .frame(.sent, frame)),
                TraceEvent(time: 1, connection: 1, observer: .client, kind: .message(.sent, huge)),
            ]))
        #expect(drawings[0].contains("9223372036854775807 bytes"))
    }

    private static let spans: [(Duration, String)] = [
        (.zero, "0 ns"), (.nanoseconds(999), "999 ns"), (.microseconds(87), "87.0 µs"),
        (.seconds(1234), "1234 s"),
        (.seconds(999_999), "999999 s"), (.seconds(1_000_000), "11.6 d"), (.nanoseconds(-1500), "-1.50 µs"),
        (.nanoseconds(Int64.max), "106752 d"), (.nanoseconds(Int64.min), "-106752 d"),
        (.seconds(Int64.max), "106751991167301 d"), (.seconds(Int64.min), "-106751991167301 d"),
    ]

    @Test("A duration is written with its unit", arguments: spans)
    func durations(duration: Duration, text: String) {
        #expect(duration.text() == text)
    }

    // MARK: Through the decoder

    private static let opening: [(WebSocketRole, String)] = [
        (.client, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
        (.server, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"),
    ]

    private static let lengths: [UInt64] = [1 << 31, 1 << 62, 1 << 63 - 1, 1 << 63, .max]

    @Test(
        "A frame of any announced length is read in either direction",
        arguments: lengths, [false, true])
    func announced(length: UInt64, isCompressing: Bool) {
        let lengthBytes = (0..<8).map { UInt8(truncatingIfNeeded: length >> UInt64(56 - 8 * $0)) }
        let firsts: [[UInt8]] = [
            [0x81, 0x81], [0x82, 0x82], [0x01, 0x80], [0x01, 0x00], [0xC1, 0xC2], [0x41, 0x80], [0x81, 0xF1],
            [0x81, 0x89], [0x81, 0x88], [0x81, 0x83], [0x81, 0x80],
        ]
        for sender in [WebSocketRole.client, .server] {
            for first in firsts {
                let mask: UInt8 = sender == .client ? 0x80 : 0
                let key: [UInt8] = sender == .client ? [1, 2, 3, 4] : []
                let small = [first[0], mask | 1] + key + [0x60]
                let big = [first[1], mask | 127] + lengthBytes + key + Array(repeating: 7, count: 100)
                var decoder = ConversationDecoder(connection: 1, payloadLimit: .max)
                let board = ConnectionBoard()
                var events: [TraceEvent] = []
                func read(_ bytes: [UInt8], _ sender: WebSocketRole) {
                    events += bytes.withUnsafeBytes { decoder.read($0, from: sender, at: .max) }
                }
                read(Array(Self.opening[0].1.utf8), .client)
                let agreement = isCompressing ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : ""
                read(Array((Self.opening[1].1 + agreement + "\r\n").utf8), .server)
                for piece in [small, small, big, big] { read(piece, sender) }
                events += decoder.ended(at: .min)
                for event in events { board.record(event, at: MonotonicInstant(nanoseconds: event.time)) }
                _ = Self.draw(board.recording())
                _ = Self.draw(Recording(events: events))
                #expect(board.changes(since: 0).changed.first?.ended != nil)
            }
        }
    }

    @Test("Clocks that jump")
    func clocks() {
        let board = ConnectionBoard()
        let times: [Int64] = [.max, .min, 0, -1, .max]
        for time in times {
            board.record(
                TraceEvent(time: 0, connection: 1, observer: .server, kind: .roundTrip(nanoseconds: time)),
                at: MonotonicInstant(nanoseconds: time))
        }
        _ = Self.draw(board.recording())
        var decoder = ConversationDecoder(connection: 1, payloadLimit: 0)
        var events: [TraceEvent] = []
        for (sender, text) in Self.opening {
            let end = sender == .server ? "\r\n" : ""
            events += Array((text + end).utf8).withUnsafeBytes { decoder.read($0, from: sender, at: 0) }
        }
        let ping: [UInt8] = [0x89, 0]
        let pong: [UInt8] = [0x8A, 0x80, 0, 0, 0, 0]
        events += ping.withUnsafeBytes { decoder.read($0, from: .server, at: .min) }
        events += pong.withUnsafeBytes { decoder.read($0, from: .client, at: .max) }
        #expect(events.contains { $0.kind == .roundTrip(nanoseconds: .max) })
    }

    // MARK: Work

    @Test("Endless characters are cut")
    func characters() {
        let long = "e" + String(repeating: "\u{301}", count: 100_000)
        #expect(long.count == 1)
        let (shown, isCut) = long.beginning(60)
        #expect(isCut && shown.unicodeScalars.count <= 60 * 16)
        #expect("héllo".beginning(5) == ("héllo", false) && "héllo".beginning(2) == ("hé", true))
        #expect("a".beginning(-1) == ("", true) && "".beginning(.max) == ("", false))
        let payload = Array(long.utf8)
        let drawings = Self.draw(
            Recording(events: [
                TraceEvent(
                    time: 0, connection: 1, observer: .client,
                    kind: .message(.sent, .init(isText: true, size: payload.count, wireSize: 0, payload: payload)))
            ]))
        #expect(drawings[0].utf8.count < 10_000)
    }

    @Test("Options of any number give a drawing", arguments: [Int.min, -1, 0, 1, 2, .max])
    func options(number: Int) {
        let kinds = Array(
            repeating: TraceEvent.Kind.frame(.sent, .init(opcode: 9, isMasked: true, length: 0)), count: 9)
        let text = TraceEvent.Kind.message(.sent, .init(isText: true, size: 2, wireSize: 2, payload: Array("hi".utf8)))
        let events = (kinds + [text]).map { TraceEvent(time: 0, connection: 1, observer: .client, kind: $0) }
        var options = SequenceDiagram.Options()
        options.collapses = number
        options.contentLimit = number
        options.pause = Int64(number)
        let diagrams = SequenceDiagram.all(of: Recording(events: events), options: options)
        #expect(!diagrams[0].rows.isEmpty)
        var renderer = SVGRenderer()
        renderer.width = number
        #expect(renderer.render(diagrams).contains("</svg>"))
        #expect(!TerminalRenderer(columns: number).render(diagrams).isEmpty)
    }

    @Test(
        "Thousands of connections are put in order in linear time",
        arguments: [false, true])
    func order(ends: Bool) {
        let events = (0..<UInt64(20_000)).flatMap { number -> [TraceEvent] in
            let time = Int64(number)
            let connected = TraceEvent(
                time: time, connection: number, observer: .server, kind: .connected(peer: "10.0.0.\(number):5"))
            return ends
                ? [connected, TraceEvent(time: time, connection: number, observer: .server, kind: .tcpEnded)]
                : [connected]
        }
        #expect(ConnectionOrder.predecessors(of: Recording(events: events)).count == 19_999)
    }

    @Test("A head of tens of thousands of lines is parsed in linear time")
    func lines() {
        let head = Array("GET / HTTP/1.1\n".utf8) + Array(repeatElement(Array("a\n".utf8), count: 32_000).joined())
        var decoder = ConversationDecoder(connection: 1, payloadLimit: 0)
        let time = ContinuousClock().measure {
            for part in [head, [0x0A]] {
                _ = part.withUnsafeBytes { decoder.read($0, from: .client, at: 0) }
            }
        }
        #expect(time < .seconds(10))
    }

    @Test("A Pong has at most one round-trip time")
    func roundTrips() {
        let pong = TraceEvent(
            time: 0, connection: 1, observer: .client,
            kind: .frame(.received, .init(opcode: 10, isMasked: false, length: 0)))
        let roundTrip = TraceEvent(time: 0, connection: 1, observer: .client, kind: .roundTrip(nanoseconds: 1))
        let diagram = SequenceDiagram([pong] + Array(repeating: roundTrip, count: 20_000))
        #expect(diagram.arrows.map(\.details) == [["round trip 1 ns"]])
    }
}
