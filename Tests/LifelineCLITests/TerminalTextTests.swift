import Lifeline
import LifelineTrace
import Testing

@testable import LifelineCLI

@Suite("Output text for people and programs")
struct TerminalTextTests {
    @Test(
        "Durations are printed with a unit",
        arguments: [
            (Duration.nanoseconds(5), "5 ns"), (.nanoseconds(1500), "1.50 µs"), (.microseconds(87), "87.0 µs"),
            (.nanoseconds(999_400), "999 µs"), (.nanoseconds(999_600), "1.00 ms"), (.milliseconds(12), "12.0 ms"),
            (.milliseconds(345), "345 ms"), (.milliseconds(9996), "10.0 s"), (.seconds(100), "100 s"),
            (.nanoseconds(99_960_000), "100 ms"), (.zero, "0 ns"),
        ])
    func duration(duration: Duration, text: String) {
        #expect(duration.text() == text)
    }

    @Test("Durations can be printed in ASCII")
    func durationInASCII() {
        #expect(Duration.microseconds(87).text(unicode: false) == "87.0 us")
    }

    @Test("JSON keeps member order and escapes control characters")
    func json() {
        var object = JSONObject()
        object.add("z", "a\"\\\n\u{1B}\u{202E}\u{E0041}ü")
        object.add("a", 1)
        object.add("d", 0.5)
        object.add("t", true)
        object.add("n", nil as String?)
        #expect(
            object.line
                == #"{"z":"a\"\\\n\u001b\u202e\udb40\udc41ü","a":1,"d":0.5,"t":true,"n":null}"# + "\n")
        #expect(JSONObject().line == "{}\n")
    }

    @Test("Bytes are printed as hexadecimal digits")
    func hexadecimal() {
        #expect(Hexadecimal.text([0, 0x1B, 0xFF], separator: " ") == "00 1b ff")
        #expect(Hexadecimal.bytes("00 1B\tff".utf8) == [0, 0x1B, 0xFF])
        #expect(Hexadecimal.bytes("".utf8) == [])
        #expect(Hexadecimal.bytes("1".utf8) == nil)
    }

    @Test("Timestamps are printed in ISO 8601")
    func timestamp() throws {
        let shape = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/
        #expect(try shape.wholeMatch(in: Timestamp.now.rfc3339) != nil)
        #expect(try /\d\d:\d\d:\d\d\.\d{3}/.wholeMatch(in: Timestamp.now.timeOfDay) != nil)
    }
}
