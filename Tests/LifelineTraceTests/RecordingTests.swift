import Lifeline
import LifelineTrace
import Testing

@Suite("Recordings") struct RecordingTests {
    static let everyKind: [TraceEvent.Kind] = [
        .connecting(host: "example.org", port: 443), .resolved(addresses: ["192.0.2.1", "2001:db8::1"]),
        .connectFailed(reason: "nothing is listening there"), .connected(peer: "192.0.2.1:443"),
        .secured(version: "TLSv1.3", certificate: "common_name=example.org"),
        .secured(version: "TLS", certificate: nil),
        .request(
            .sent,
            .init(
                method: "GET", target: "/chat?room=1", authority: "example.org",
                fields: [.init(name: "Upgrade", value: "websocket"), .init(name: "X-Odd", value: "a\"b\\ü")])),
        .response(.received, .init(status: 101, reason: "Switching Protocols")),
        .frame(.sent, .init(opcode: 1, isMasked: true, length: 5, payload: Array("hällo".utf8.prefix(5)))),
        .frame(.received, .init(opcode: 2, isFinal: false, rsv1: true, isMasked: false, length: 70_000)),
        .message(.sent, .init(isText: true, size: 5, wireSize: 5, payload: Array("hello".utf8))),
        .message(
            .received,
            .init(isText: false, size: 3, wireSize: 9, isCompressed: true, frames: 2, payload: [0xFF, 0, 0x80])),
        .roundTrip(nanoseconds: 1_234_567), .paused(.sent, pendingBytes: 99), .paused(.received, pendingBytes: nil),
        .resumed(.received),
        .compressed(.init(sentBytes: 100, sentWireBytes: 10, receivedBytes: 50, receivedWireBytes: 7)),
        .failed(reason: "the peer reset the connection"),
        .ended(.init(initiator: .peer, isClean: false, code: 1006, reason: "", failure: "TCP ended")),
        .finished(.sent), .tcpEnded, .note("10 events left out"),
    ]

    @Test("Every event is read as it was written")
    func roundTrip() throws {
        let events = Self.everyKind.enumerated().map { index, kind in
            TraceEvent(
                time: Int64(index) * 1_000_003, connection: UInt64(index % 3),
                observer: index % 2 == 0 ? .client : .server,
                kind: kind)
        }
        let recording = Recording(began: "2026-11-22T10:00:00.125Z", events: events)
        let text = recording.text
        #expect(text.split(separator: "\n").count == events.count + 1)
        #expect(try Recording(text) == recording)
        // With a carriage return before each line's end, as after a journey through a mail.
        #expect(try Recording(text.split(separator: "\n").joined(separator: "\r\n") + "\r\n") == recording)
    }

    @Test("The first line is a header")
    func header() throws {
        #expect(
            Recording(began: "2026-11-22T10:00:00Z").text
                == "{\"began\":\"2026-11-22T10:00:00Z\",\"lifelineRecording\":1}\n")
        for text in ["", "\n\n", "hello\n", "{\"t\":1}\n", "[1,2]\n", "{\"lifelineRecording\":0}\n"] {
            #expect(throws: MalformedRecording.self, "\(text)") { try Recording(text) }
        }
    }

    @Test("A malformed line is reported with its number")
    func malformed() {
        let header = "{\"lifelineRecording\":1}\n"
        let good = "{\"by\":\"client\",\"c\":1,\"event\":\"tcpEnded\",\"t\":1}\n"
        let bad: [(String, Int, String)] = [
            ("{\"by\":\"client\",\"c\":1,\"event\":\"connected\",\"t\":1}\n", 3, "\"peer\""),
            ("{\"by\":\"nobody\",\"c\":1,\"event\":\"tcpEnded\",\"t\":1}\n", 3, "it is not an event"),
            ("garbage\n", 3, "it is not an event"),
            (
                "{\"by\":\"client\",\"c\":1,\"clean\":true,\"code\":1000,\"event\":\"ended\",\"initiator\":\"nobody\",\"t\":1}\n",
                3,
                "the initiator \"nobody\" is none of local, peer and both"
            ),
            (
                "{\"by\":\"client\",\"c\":1,\"event\":\"message\",\"direction\":\"sent\",\"kind\":\"binary\",\"size\":1,"
                    + "\"wire\":1,\"base64\":\"*\",\"t\":1}\n", 3, "base64"
            ),
        ]
        for (line, number, reason) in bad {
            let error = #expect(throws: MalformedRecording.self) { try Recording(header + good + line + good) }
            #expect(error?.line == number && error?.reason.contains(reason) == true, "\(String(describing: error))")
        }
    }

    @Test("A recording with an incomplete last line is read up to there")
    func cut() throws {
        let recording = Recording(events: [
            TraceEvent(time: 0, connection: 1, observer: .client, kind: .tcpEnded),
            TraceEvent(time: 1, connection: 1, observer: .client, kind: .note("a longer line")),
        ])
        let text = recording.text
        let read = try Recording(String(text.dropLast(10)))
        #expect(read.events.map(\.kind) == [.tcpEnded, .note("the recording ends in the middle of a line")])
    }

    @Test("Events of later versions become notes")
    func later() throws {
        let text =
            "{\"lifelineRecording\":2}\n{\"by\":\"server\",\"c\":4,\"event\":\"teleported\",\"t\":9,\"to\":\"Mars\"}\n"
        #expect(
            try Recording(text).events.map(\.kind) == [.note("unknown event \"teleported\"")]
        )
    }

    @Test("Several recordings in a file have different connections, and rotated files continue theirs")
    func parts() throws {
        func recording(_ began: String?, _ connections: UInt64..., from start: Int64 = 0) -> Recording {
            Recording(
                began: began,
                events: connections.enumerated().map { index, connection in
                    TraceEvent(
                        time: start + Int64(index), connection: connection, observer: .client,
                        kind: .note("\(began ?? "") \(connection)"))
                })
        }
        func numbers(_ parts: Recording...) throws -> [UInt64] {
            try Recording(parts.map(\.text).joined()).events.map(\.connection)
        }
        let (day, later) = ("2026-11-22T10:00:00.000Z", "2026-11-22T11:00:00.500Z")
        #expect(try numbers(recording(day, 1, 2), recording(day, 1, 2)) == [1, 2, 3, 4])
        #expect(try numbers(recording(day, 1, 2), recording(day, 2, 5, from: 9)) == [1, 2, 2, 5])
        #expect(try numbers(recording(day, 2, 1, from: 9), recording(day, 1, 2)) == [2, 1, 1, 2])
        #expect(try numbers(recording(day, 1, 7), recording(later, 7, 8)) == [1, 7, 2, 8])
        #expect(try numbers(recording(nil, 1), recording(nil, 1)) == [1, 2])
        #expect(
            try numbers(recording(day, 1), recording(day, 1, from: 9), recording(day, 1), recording(day, 1, from: 9))
                == [1, 1, 2, 2])
        #expect(try numbers(recording(day, .max), recording(later, .max)) == [.max, 1])
        let both = try Recording(recording(day, 1).text + recording(later, 1, from: 5).text)
        #expect(both.events.map(\.time) == [0, 3_600_500_000_005])
        let end = try Recording(recording(day, 1).text + recording(later, 1, from: .max).text)
        #expect(end.events.map(\.time) == [0, .max])
    }

    @Test("Secrets are not recorded")
    func redaction() {
        var redaction = Redaction()
        redaction.members = ["password", "pin"]
        func payload(_ text: String) -> String {
            let event = TraceEvent(
                time: 0, connection: 1, observer: .client,
                kind: .message(.sent, .init(isText: true, size: 0, wireSize: 0, payload: Array(text.utf8))))
            guard case .message(_, let message) = redaction(event).kind else { return "" }
            return String(decoding: message.payload ?? [], as: UTF8.self)
        }
        #expect(
            payload(#"{"user":"a","password" : "s\"e", "pin":12,"x":{"pin":[1,{"a":2}],"y":"pin"}}"#)
                == #"{"user":"a","password" : "[redacted]", "pin":"[redacted]","x":{"pin":"[redacted]","y":"pin"}}"#)
        #expect(payload(#"{"password":"cut of"#) == #"{"password":"[redacted]""#)
        #expect(payload("no JSON, \"password\" at all") == "no JSON, \"password\" at all")

        let head = TraceEvent.HTTPHead(
            method: "GET", target: "/a?token=x&b=c&Password=1",
            fields: [
                .init(name: "Cookie", value: "a=b"), .init(name: "AUTHORIZATION", value: "Bearer x"),
                .init(name: "Accept", value: "text/plain"),
            ])
        let event = redaction(TraceEvent(time: 0, connection: 1, observer: .server, kind: .request(.received, head)))
        guard case .request(_, let shown) = event.kind else { return }
        #expect(shown.target == "/a?token=[redacted]&b=c&Password=[redacted]")
        #expect(shown.fields.map(\.value) == ["[redacted]", "[redacted]", "text/plain"])
    }

    @Test("An archive keeps the handshake and the messages")
    func archive() throws {
        let recording = Recording(
            began: "2026-11-22T10:00:00.500Z",
            events: [
                TraceEvent(time: 0, connection: 7, observer: .client, kind: .connected(peer: "127.0.0.1:80")),
                TraceEvent(
                    time: 1_000_000, connection: 7, observer: .client,
                    kind: .request(
                        .sent,
                        .init(method: "GET", target: "/a?b=c", authority: "h", fields: [.init(name: "A", value: "b")]))),
                TraceEvent(
                    time: 3_000_000, connection: 7, observer: .client,
                    kind: .response(.received, .init(status: 101, reason: "Switching Protocols"))),
                TraceEvent(
                    time: 4_000_000, connection: 7, observer: .client,
                    kind: .message(.sent, .init(isText: true, size: 5, wireSize: 5, payload: Array("héé".utf8)))),
                TraceEvent(
                    time: 5_000_000, connection: 7, observer: .client,
                    kind: .message(.received, .init(isText: false, size: 2, wireSize: 2, payload: [1, 255]))),
            ])
        let text = HAR.write(recording, software: "0")
        #expect(text.contains("\"_webSocketMessages\"") && text.contains("\"url\" : \"ws://h/a?b=c\""))
        let read = try HAR.read(text)
        #expect(
            read.events.map(\.kind) == [
                .request(
                    .sent,
                    .init(method: "GET", target: "/a?b=c", authority: "h", fields: [.init(name: "A", value: "b")])),
                .response(.received, .init(status: 101, reason: "Switching Protocols")),
                .message(.sent, .init(isText: true, size: 5, wireSize: 5, payload: Array("héé".utf8))),
                .message(.received, .init(isText: false, size: 2, wireSize: 2, payload: [1, 255])),
            ])
        #expect(throws: HAR.Malformed.self) { try HAR.read("{\"log\":{\"version\":\"1.2\",\"entries\":[]}}") }
        #expect(throws: HAR.Malformed.self) { try HAR.read("{") }
    }
}
