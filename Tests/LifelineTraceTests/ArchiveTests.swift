import Lifeline
import Testing

@testable import LifelineTrace

@Suite("Archives of other programs") struct ArchiveTests {
    private static func archive(
        start: String = "\"2023-11-14T22:13:20.123Z\"", more: String = "\"timings\":{\"wait\":20}",
        _ messages: String...
    ) -> String {
        """
        {"log":{"pages":[{"pageTimings":{"onLoad":null}}],"entries":[{"startedDateTime":7},null,{"startedDateTime":\(start),\(more),
        "request":{"method":"GET","url":"wss://example.org/chat"},"response":{"status":101},
        "_webSocketMessages":[\(messages.joined(separator: ","))]}]}}
        """
    }

    private static func message(_ time: String, _ more: String = "\"opcode\":1,\"data\":\"x\"") -> String {
        "{\(more.contains("\"type\"") ? "" : "\"type\":\"send\",")\"time\":\(time),\(more)}"
    }

    @Test(
        "The handshake comes before the messages, which keep their distances",
        arguments: [
            "\"2023-11-14T22:13:20.123Z\"", "\"2023-11-14T23:13:20.123456+01:00\"",
            "\"2023-11-14 22:13:20,1234567890Z\"", "\"\"",
            "null", "\"1970-01-01T00:00:00.000Z\"", "\"0001-01-01T00:00:00Z\"", "\"2023-11-14T22:13:20.123\"",
            "\"soon\"",
            "\"2023-11-15T22:13:20.123Z\"", "\"2300-01-01T00:00:00Z\"",
        ])
    func start(_ start: String) throws {
        let read = try HAR.read(
            Self.archive(start: start, Self.message("1700000000.5"), Self.message("1700000000.625")))
        let times = read.events.map(\.time)
        #expect(times == times.sorted() && times.count == 4 && times[0] == 0)
        #expect(abs(times[3] - times[2] - 125_000_000) < 1000)
        #expect(read.began?.hasPrefix("2023-11-14T22:13:20") == true)
        let isGood = ["14T22:13:20.123Z", "+01:00", ","].contains { start.contains($0) }
        #expect(read.omissions.isEmpty == isGood)
        #expect(read.omissions.allSatisfy { !$0.isMessage })
    }

    @Test(
        "Times of other kinds",
        arguments: [
            ("1700000000500", "1700000000600"), ("\"1700000000.5\"", "\"1700000000.6\""),
            ("\"2023-11-14T22:13:20.5Z\"", "\"2023-11-14T22:13:20.6Z\""), ("0.5", "0.6"), ("-7", "-6.9"),
        ])
    func times(_ first: String, _ second: String) throws {
        let read = try HAR.read(Self.archive(Self.message(first), Self.message(second)))
        let times = read.events.map(\.time)
        #expect(times == times.sorted() && abs(times[3] - times[2] - 100_000_000) < 1000, "\(times)")
    }

    @Test("Numbers at the limits of their types do not trap")
    func ends() throws {
        for time in ["1e308", "-1e308", "1e400", "null", "[]", "9007199254740993", "7258118399", "946684800"] {
            for wait in ["1e308", "-1", "null", "\"x\"", "1e400"] {
                let more = "\"timings\":{\"wait\":\(wait)}"
                let text = Self.archive(
                    more: more, Self.message(time), Self.message("1700000000.5", "\"opcode\":1e300,\"data\":1"))
                guard let read = try? HAR.read(text) else { continue }
                #expect(read.events.count == 4)
                _ = HAR.write(read, software: "0")
            }
        }
    }

    @Test("A message that cannot be read becomes a note, and is reported")
    func omissions() throws {
        let bad = [
            "\"opcode\":300,\"data\":\"x\"", "\"opcode\":null,\"data\":\"x\"", "\"opcode\":0,\"data\":\"x\"",
            "\"opcode\":2,\"data\":\"a raw one\"", "\"opcode\":2,\"data\":\"QQ=\"", "\"opcode\":2,\"data\":\"Q\"",
            "\"opcode\":1,\"data\":7", "\"opcode\":1", "\"type\":\"other\",\"opcode\":1,\"data\":\"x\"",
        ]
        for more in bad {
            let read = try HAR.read(Self.archive(Self.message("1700000000.5"), Self.message("1700000001", more)))
            #expect(read.omissions.count == 1 && read.omissions.first?.isMessage == true, "\(more)")
            guard case .note(let text)? = read.events.last?.kind else {
                Issue.record("no note for \(more)")
                continue
            }
            #expect(text.hasPrefix("message 2"))
        }
        for more in [
            "\"opcode\":-1,\"data\":\"an error\"", "\"opcode\":9,\"data\":\"\"", "\"type\":\"error\",\"data\":\"x\"",
        ] {
            let read = try HAR.read(Self.archive(Self.message("1700000000.5"), Self.message("1700000001", more)))
            #expect(read.omissions.isEmpty, "\(more)")
        }
    }

    @Test(
        "Base64, padded or not, of both alphabets",
        arguments: [
            ("AAECCv8=", [0, 1, 2, 10, 255]), ("AAECCv8", [0, 1, 2, 10, 255]), ("-_8", [251, 255]),
            ("+/8=", [251, 255]),
            ("", []), ("QUJD\\r\\nREU=", [65, 66, 67, 68, 69]),
        ] as [(String, [UInt8])])
    func base64(_ text: String, _ bytes: [UInt8]) throws {
        let read = try HAR.read(Self.archive(Self.message("1700000000.5", "\"opcode\":2,\"data\":\"\(text)\"")))
        guard case .message(_, let message)? = read.events.last?.kind else {
            Issue.record("no message")
            return
        }
        #expect(message.payload == bytes && message.size == bytes.count && read.omissions.isEmpty)
    }

    @Test("Incomplete messages are written and read as incomplete")
    func cut() throws {
        let cut = TraceEvent.Message(isText: true, size: 9, wireSize: 9, payload: [0xC3])
        let recording = Recording(events: [
            TraceEvent(
                time: 0, connection: 1, observer: .client, kind: .request(.sent, .init(method: "GET", target: "/"))),
            TraceEvent(time: 1, connection: 1, observer: .client, kind: .message(.sent, cut)),
            TraceEvent(
                time: 2, connection: 1, observer: .client,
                kind: .message(.sent, .init(isText: false, size: 3, wireSize: 3))),
        ])
        let messages = try HAR.read(HAR.write(recording, software: "0")).events.compactMap { event in
            if case .message(_, let message) = event.kind { message } else { nil }
        }
        #expect(messages.map(\.size) == [9, 3] && messages.allSatisfy { !$0.isWhole })
    }
}
