import ArgumentParser
import Lifeline
import LifelineTrace
import NIOCore
import Testing

@testable import LifelineCLI

@Suite("Untrusted numbers in the command") struct AbsurdNumberTests {
    private static let ends: [Int64] = [.min, -1, 0, 1, .max]

    private static func recording(_ events: [(time: Int64, kind: TraceEvent.Kind)]) -> Recording {
        Recording(
            events: events.map { TraceEvent(time: $0.time, connection: 1, observer: .client, kind: $0.kind) })
    }

    private static func frame(_ opcode: UInt8, isFinal: Bool, length: Int, _ payload: String) -> TraceEvent.Kind {
        .frame(
            .sent, .init(opcode: opcode, isFinal: isFinal, isMasked: true, length: length, payload: Array(payload.utf8))
        )
    }

    private static func message(_ text: String, size: Int? = nil, frames: Int = 1) -> TraceEvent.Kind {
        let payload = Array(text.utf8)
        return .message(
            .sent, .init(isText: true, size: size ?? payload.count, wireSize: 0, frames: frames, payload: payload))
    }

    @Test("A replay handles the smallest and largest times", arguments: ends, ends)
    func times(opened: Int64, sent: Int64) throws {
        let opening = TraceEvent.Kind.response(.received, .init(status: 101))
        let recording = Self.recording([(opened, opening), (sent, Self.message("a")), (sent, .tcpEnded)])
        let replay = try Replay(recording, connection: nil, side: .client)
        #expect(replay.end >= 0 && replay.steps.allSatisfy { $0.time >= 0 })
        let comparison = ReplayComparison(replay, ignoring: [])
        for pace in [0, 1e-300, 1e-6, 1, 1e6, .infinity] {
            let player = ReplayPlayer(replay: replay, comparison: comparison, pace: pace, timeout: .zero)
            for time in [replay.end] + Self.ends {
                #expect((.zero...TimeSpan.longest).contains(player.paced(time)), "\(time) at \(pace)")
            }
        }
    }

    @Test("A replay handles the smallest and largest sizes", arguments: [Int.min, -1, 0, 1, .max])
    func sizes(length: Int) throws {
        let opening = (Int64(0), TraceEvent.Kind.response(.received, .init(status: 101)))
        let frames = [
            (Int64(1), Self.frame(1, isFinal: false, length: length, "a")),
            (Int64(2), Self.frame(0, isFinal: false, length: length, "b")),
            (Int64(3), Self.frame(0, isFinal: true, length: length, "c")),
        ]
        let whole = Self.recording([opening] + frames + [(4, Self.message("abc", frames: length))])
        let texts = try Replay(whole, connection: nil, side: .client).steps.map { step -> String in
            if case .fragment(_, _, let bytes) = step.kind { String(buffer: bytes) } else { "?" }
        }
        #expect(texts == ["a", "b", "c"])
        let cut = Self.recording([opening] + frames + [(4, Self.message("abc", size: length))])
        #expect(throws: Replay.Unplayable.self) { try Replay(cut, connection: nil, side: .client) }
    }

    @Test("Inserting many fragments takes linear time")
    func fragments() throws {
        let count = 20_000
        var events: [(Int64, TraceEvent.Kind)] = [(0, .response(.received, .init(status: 101)))]
        for number in 0..<count {
            events.append((1, Self.frame(number == 0 ? 1 : 0, isFinal: number == count - 1, length: 1, "a")))
            // A Ping now and then, between them.
            if number % 1000 == 500 { events.append((1, .frame(.sent, .init(opcode: 9, isMasked: true, length: 0)))) }
        }
        events.append((1, Self.message(String(repeating: "a", count: count), frames: count)))
        events.append((2, .frame(.sent, .init(opcode: 9, isMasked: true, length: 0))))
        let steps = try Replay(Self.recording(events), connection: nil, side: .client).steps
        #expect(steps.count == count + 21)
        let pings = steps.indices.filter { if case .ping = steps[$0].kind { true } else { false } }
        #expect(pings == (0..<20).map { $0 * 1001 + 501 } + [count + 20])
        if case .fragment(_, .first, _) = steps[0].kind {} else { Issue.record("not the first") }
        if case .fragment(_, .last, _) = steps[count + 19].kind {} else { Issue.record("not the last") }
    }

    @Test("The end of the connection ends any wait of a script")
    func script() async throws {
        let steps = try ScriptStep.parse("receive 9223372036854775807\n", "f")
        #expect(steps == [.receive(.max)])
        for text in ["receive 9223372036854775808", "receive -1", "receive 0", "wait 1e30s", "wait 9999h", "wait nan"] {
            let error = #expect(throws: ScriptStep.Malformed.self) { try ScriptStep.parse(text, "f") }
            #expect(error?.description.contains(text.hasPrefix("wait") ? "8760h" : "from 1 on") == true)
        }
        let counter = ArrivalCounter()
        let waiting = Task {
            #expect(await counter.wait(for: 2, timeout: .seconds(60)))
            #expect(await counter.wait(for: .max, timeout: .seconds(60)))
        }
        for _ in 0..<5 {
            counter.increment()
            try await Task.sleep(for: .milliseconds(1))
        }
        counter.end()
        await waiting.value
        #expect(await counter.wait(for: .max, timeout: .seconds(60)))
        let idle = ArrivalCounter()
        #expect(await !idle.wait(for: .max, timeout: .milliseconds(1)))
    }

    @Test("JSON that is nested too deeply or has huge numbers is compared as text")
    func json() {
        let deep = String(repeating: "[", count: 400) + String(repeating: "]", count: 400)
        #expect(JSONValue(deep)?.without(["a"]) == JSONValue(deep))
        for text in [String(repeating: "[", count: 100_000), "1e999", "[[1e999]]", #"{"a":-1e999}"#] {
            #expect(JSONValue(text) == nil)
        }
        #expect(JSONValue("18446744073709551616") == .number(18_446_744_073_709_551_616))
    }

    @Test(
        "An error names an option's allowed values",
        arguments: ["1e30s", "nan", "inf", "-1", "", "999999999T", "9999h", "0x10"])
    func options(text: String) {
        func reason<Value>(_ body: (String) throws -> Value) -> String {
            do {
                return "\(try body(text))"
            } catch {
                return "\((error as? ValidationError)?.message ?? "")"
            }
        }
        #expect(
            reason(TimeSpan.parse).contains("must be a number of seconds") && reason(TimeSpan.parse).contains("8760h"))
        #expect(reason(ByteCount.parse).contains("from 1 to 1024G"))
        let size = #expect(throws: (any Error).self) {
            try BenchCommand.parse(["ws://h", "--size=" + (text.isEmpty ? "x" : text)])
        }
        #expect(size.map { BenchCommand.message(for: $0) }?.contains("from 0 to 1G") == true)
        #expect(reason(FaultThreshold.parse).contains("8760h") && reason(FaultThreshold.parse).contains("1024G"))
        #expect(reason(ListenAddress.parse).contains("65535"))
    }

    @Test(
        "Replay speeds outside the allowed range are rejected",
        arguments: ["1e-300", "nan", "inf", "-inf", "-1", "1e7", "1e-7"])
    func pace(text: String) {
        let error = #expect(throws: (any Error).self) {
            try ReplayCommand.parse(["f", "--to", "ws://h", "--pace=" + text])
        }
        #expect(error.map { ReplayCommand.message(for: $0) }?.contains("0.000001 to 1000000") == true)
    }

    @Test("Bench rates outside the allowed range are rejected", arguments: ["1e-300", "nan", "inf", "-1", "0", "1e9"])
    func rate(text: String) {
        let error = #expect(throws: (any Error).self) { try BenchCommand.parse(["ws://h", "--rate=" + text]) }
        #expect(error.map { BenchCommand.message(for: $0) }?.contains("0.001 to 100000000") == true)
    }

    @Test("Allowed speeds and rates are accepted")
    func allowed() throws {
        for pace in ["0", "0.000001", "1", "1e6"] {
            _ = try ReplayCommand.parse(["f", "--to", "ws://h", "--pace", pace])
        }
        for rate in ["0.001", "1", "100000000"] { _ = try BenchCommand.parse(["ws://h", "--rate", rate]) }
    }

    @Test("A schedule can be made for any rate", arguments: [1e-300, 1e-9, 0.001, 1e8, 1e300, .infinity, .nan])
    func schedule(rate: Double) {
        var schedule = Schedule(start: .max - 5, rate: rate)
        for number in [0, 1, 1_000_000, Int.max] { #expect(schedule.moment(ofBurst: number) >= schedule.start) }
        _ = schedule.take(by: 0)
        #expect(schedule.burst >= 1)
    }

    @Test("Numbers of any size are formatted", arguments: [0, 1e18, 1e300, -1e300, .infinity, .nan])
    func figures(value: Double) {
        #expect(!Figures.grouped(value).isEmpty && !Figures.bytes(value).isEmpty && !value.ratioText.isEmpty)
    }
}
