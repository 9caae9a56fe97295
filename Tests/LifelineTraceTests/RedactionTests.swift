import Lifeline
import Testing

@testable import LifelineTrace

/// Secrets are in no event, however they are written and wherever they are cut.
@Suite("Redaction") struct RedactionTests {
    private static let redaction = Redaction(names: ["password", "pin", "naïve", "x-internal"])

    private static func event(_ kind: TraceEvent.Kind, _ connection: UInt64 = 1) -> TraceEvent {
        TraceEvent(time: 0, connection: connection, observer: .server, kind: kind)
    }

    private static func message(_ payload: [UInt8], isText: Bool = true, size: Int? = nil) -> [UInt8]? {
        let kind = TraceEvent.Kind.message(
            .received, .init(isText: isText, size: size ?? payload.count, wireSize: payload.count, payload: payload))
        guard case .message(_, let message) = redaction(event(kind)).kind else { return nil }
        return message.payload
    }

    /// A message in frames, each with as much of its payload as is told.
    private static func frames(
        _ parts: [[UInt8]], opcode: UInt8 = 1, isCompressed: Bool = false, keeping limit: Int? = nil
    )
        -> [TraceEvent]
    {
        parts.indices.map { index in
            event(
                .frame(
                    .received,
                    .init(
                        opcode: index == 0 ? opcode : 0, isFinal: index == parts.count - 1,
                        rsv1: isCompressed && index == 0, isMasked: true, length: parts[index].count,
                        payload: Array(parts[index].prefix(limit ?? parts[index].count)))))
        }
    }

    private static func payloads(_ events: [TraceEvent], _ redactor: inout EventRedactor) -> [[UInt8]?] {
        events.map { event in
            guard case .frame(_, let frame) = redactor(event).kind else { return nil }
            return frame.payload
        }
    }

    /// JSON, encoded as a JSON string several times.
    private static func nested(_ text: String, _ depth: Int) -> String {
        (0..<depth).reduce(text) { text, _ in
            "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
        }
    }

    /// Nothing is shown of JSON that is nested too deeply to be read.
    @Test func tooDeep() throws {
        let shown = try #require(Self.message(Array(Self.nested(#"{"password":"SECRET"}"#, 14).utf8)))
        #expect(!String(decoding: shown, as: UTF8.self).contains("SECRET"))
    }

    private static let texts: [(text: String, shown: String)] = [
        (#"{"password":"SECRET"}"#, #"{"password":"[redacted]"}"#),
        (#"{"user":"ü","pass\u0077ord" : "SE\"CRET\\","a":1}"#, #"{"user":"ü","pass\u0077ord" : "[redacted]","a":1}"#),
        (#"{"\u0070\u0069\u006E":12.5e3,"b":[true]}"#, #"{"\u0070\u0069\u006E":"[redacted]","b":[true]}"#),
        (#"{"na\u00EFve":{"x":"SECRET}","y":[{"z":"]SECRET"}]},"c":null}"#, #"{"na\u00EFve":"[redacted]","c":null}"#),
        (
            #"[{"PassWord":null},{"pass_word":[1,[2]]},"password"]"#,
            #"[{"PassWord":"[redacted]"},{"pass_word":"[redacted]"},"password"]"#
        ),
        (
            #"{"a":"password","password":"SECRET","b":"\"password\":1"}"#,
            #"{"a":"password","password":"[redacted]","b":"\"password\":1"}"#
        ),
        (#"{"body":"{\"password\":\"SE\\\"CRET\",\"b\":1}"}"#, #"{"body":"{\"password\":\"[redacted]\",\"b\":1}"}"#),
        (#"{"body":"{\"p\\u0069n\":12,\"b\":1}"}"#, #"{"body":"{\"p\\u0069n\":\"[redacted]\",\"b\":1}"}"#),
        (nested(#"{"password":"SECRET","b":1}"#, 6), nested(#"{"password":"[redacted]","b":1}"#, 6)),
        (#"42["login",{"password":"SECRET"}]"#, #"42["login",{"password":"[redacted]"}]"#),
        (
            #"{"\ud83d\ude00":1,"\ud83d":2,"\q":3,"\u12":4,"pin":"SECRET"}"#,
            #"{"\ud83d\ude00":1,"\ud83d":2,"\q":3,"\u12":4,"pin":"[redacted]"}"#
        ),
        ("no JSON, \"password\" at all: \"", "no JSON, \"password\" at all: \""),
    ]

    @Test("A message, text or binary, reveals no secret", arguments: texts.indices)
    func whole(index: Int) {
        let (text, shown) = Self.texts[index]
        // A message's \"password\":1 within a string is a member of JSON in a string, by the look of it.
        let expected = shown.replacing(#"\"password\":1"#, with: #"\"password\":\"[redacted]\""#)
        for isText in [true, false] {
            #expect(
                Self.message(Array(text.utf8), isText: isText).map { String(decoding: $0, as: UTF8.self) } == expected)
        }
        #expect(Self.message(Array(expected.utf8)) == Array(expected.utf8), "what is redacted stays")
    }

    @Test("A truncated message reveals no secret", arguments: texts.indices)
    func cutOff(index: Int) {
        let bytes = Array(Self.texts[index].text.utf8)
        let whole = Self.message(bytes) ?? []
        for length in bytes.indices {
            let shown = Self.message(Array(bytes[..<length]), size: bytes.count) ?? []
            // Either a beginning of what is shown of the whole, or one with the mark's beginning.
            #expect(!String(decoding: shown, as: UTF8.self).contains("SECRET"))
            #expect(whole.starts(with: shown), "\(length): \(String(decoding: shown, as: UTF8.self))")
        }
    }

    @Test("Redacted fragments equal the redacted message", arguments: texts.indices)
    func fragments(index: Int) {
        let bytes = Array(Self.texts[index].text.utf8)
        let whole = Self.message(bytes)
        for first in 0...bytes.count {
            for second in [first, min(first + 1, bytes.count), min(first + 7, bytes.count), bytes.count] {
                let parts = [Array(bytes[..<first]), Array(bytes[first..<second]), Array(bytes[second...])]
                var redactor = EventRedactor(Self.redaction)
                let payloads = Self.payloads(Self.frames(parts), &redactor)
                #expect(payloads.compactMap(\.self).flatMap(\.self) == whole, "at \(first) and \(second)")
            }
        }
        var redactor = EventRedactor(Self.redaction)
        let single = Self.payloads(Self.frames(bytes.map { [$0] }), &redactor)
        #expect(single.compactMap(\.self).flatMap(\.self) == whole, "byte by byte")
    }

    @Test("After a fragment that was not seen completely, nothing is shown")
    func unknownFragments() {
        let parts = [#"{"password":"#, #""SECRET","#, #""a":"SECRET"}"#].map { Array($0.utf8) }
        var redactor = EventRedactor(Self.redaction)
        #expect(Self.payloads(Self.frames(parts, keeping: 5), &redactor) == [Array(#"{"pas"#.utf8), nil, nil])
        #expect(Self.payloads(Self.frames(parts, isCompressed: true), &redactor) == [parts[0], nil, nil])
        #expect(Self.payloads(Self.frames(parts, opcode: 2), &redactor) == [nil, nil, nil])
        #expect(Self.payloads(Array(Self.frames(parts).dropFirst()), &redactor) == [nil, nil])
        let frames = Self.frames(parts)
        _ = redactor(frames[0])
        redactor.forgetMessages()
        #expect(Self.payloads(Array(frames.dropFirst()), &redactor) == [nil, nil])
        // One at a time.
        #expect(
            frames.allSatisfy { frame in
                guard case .frame(_, let shown) = Self.redaction(frame).kind else { return false }
                return shown.payload == nil
            })
    }

    @Test("Control frames and other connections come between fragments")
    func between() {
        let bytes = Array(#"{"password":"SECRET","a":1}"#.utf8)
        let frames = Self.frames([Array(bytes[..<12]), Array(bytes[12...])])
        var redactor = EventRedactor(Self.redaction)
        var shown: [UInt8] = []
        for event in [
            frames[0], Self.event(.frame(.received, .init(opcode: 9, isMasked: true, length: 1, payload: [65]))),
            Self.event(.frame(.sent, .init(opcode: 1, isMasked: false, length: 1, payload: [65]))),
            Self.event(
                .frame(.received, .init(opcode: 1, isFinal: false, isMasked: true, length: 1, payload: [65])), 2),
            Self.event(.tcpEnded, 2), frames[1],
        ] {
            if case .frame(.received, let frame) = redactor(event).kind, event.connection == 1, !frame.meaning.isControl
            {
                shown += frame.payload ?? []
            }
        }
        #expect(String(decoding: shown, as: UTF8.self) == #"{"password":"[redacted]","a":1}"#)
    }

    @Test("A binary message that is not text is omitted if members are redacted")
    func binary() {
        for payload: [UInt8] in [
            [0xA1, 0x68] + Array("passwordfSECRET".utf8), [0x81, 0xA8] + Array("password".utf8),
            [0x0A, 6] + Array("SECRET".utf8),
            [0xFF], [0xC3, 0x28], [0],
        ] {
            #expect(Self.message(payload, isText: false) == nil)
            let event = Self.event(
                .message(.sent, .init(isText: false, size: payload.count, wireSize: payload.count, payload: payload)))
            #expect(Redaction()(event) == event, "and shown where nothing is")
        }
        // Text that is cut off within a character.
        #expect(Self.message([0x61, 0xC3], isText: false, size: 3) == [0x61, 0xC3])
        #expect(Self.message([0xF0, 0x9F, 0x98], isText: false, size: 4) == [0xF0, 0x9F, 0x98])
    }

    @Test("Close reasons, Pings, failures and notes reveal no secret")
    func others() {
        func close(_ reason: String) -> TraceEvent.Kind {
            .frame(.sent, .init(opcode: 8, isMasked: false, length: 20, payload: [3, 0xE8] + reason.utf8))
        }
        let kinds: [(TraceEvent.Kind, TraceEvent.Kind)] = [
            (close("bad token=SECRET"), close("bad token=[redacted]")),
            (close(#"{"token":"SECRET"}"#), close(#"{"token":"[redacted]"}"#)),
            (close(""), close("")),
            (
                .ended(
                    .init(
                        initiator: .peer, isClean: false, code: 1000, reason: "token=SECRET",
                        failure: "ws://u:SECRET@h/ failed")),
                .ended(
                    .init(
                        initiator: .peer, isClean: false, code: 1000, reason: "token=[redacted]",
                        failure: "ws://[redacted]@h/ failed"))
            ),
            (.connectFailed(reason: "no ws://u:SECRET@h"), .connectFailed(reason: "no ws://[redacted]@h")),
            (.failed(reason: "Bearer SECRETSECRET"), .failed(reason: "Bearer [redacted]")),
            (.note("?sig=SECRET"), .note("?sig=[redacted]")),
            (
                .frame(
                    .received, .init(opcode: 9, isMasked: true, length: 18, payload: Array(#"{"pin":"SECRET"}"#.utf8))),
                .frame(
                    .received,
                    .init(opcode: 9, isMasked: true, length: 18, payload: Array(#"{"pin":"[redacted]"}"#.utf8)))
            ),
        ]
        for (kind, shown) in kinds { #expect(Self.redaction(Self.event(kind)).kind == shown) }
    }

    @Test("Fields, query, referrer and subprotocols reveal no secret")
    func heads() {
        let fields: [(String, String, String)] = [
            ("Authorization", "Bearer SECRET", "[redacted]"), ("proxy-authorization", "Basic SECRET", "[redacted]"),
            ("Cookie", "a=SECRET", "[redacted]"), ("Set-Cookie", "a=SECRET", "[redacted]"),
            ("X-Auth-Token", "SECRET", "[redacted]"),
            ("X-API-Key", "SECRET", "[redacted]"), ("X-Internal", "SECRET", "[redacted]"),
            ("Referer", "http://h/lifeline?token=SECRET", "http://h/lifeline?token=[redacted]"),
            ("Location", "wss://u:SECRET@h/?sig=SECRET", "wss://[redacted]@h/?sig=[redacted]"),
            ("Sec-WebSocket-Protocol", "chat, bearer.SECRET", "chat, [redacted]"),
            ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAAA=="),
            ("Accept", "text/plain;q=0.5", "text/plain;q=0.5"),
        ]
        let head = TraceEvent.HTTPHead(
            method: "GET", target: "/a?t%6Fken=SECRET&b=c&x-internal=SECRET", authority: "u:SECRET@h",
            fields: fields.map { .init(name: $0.0, value: $0.1) })
        guard case .request(_, let shown) = Self.redaction(Self.event(.request(.received, head))).kind else { return }
        #expect(shown.target == "/a?t%6Fken=[redacted]&b=c&x-internal=[redacted]")
        #expect(shown.authority == "[redacted]@h")
        #expect(shown.fields.map(\.value) == fields.map(\.2))
        let archive = HAR.write(
            Recording(events: [Self.event(.request(.received, head), 1)]), software: "0", redaction: Self.redaction)
        #expect(!archive.contains("SECRET") && archive.contains("[redacted]"))
    }
}
