import ArgumentParser
import Lifeline
import Testing

@testable import LifelineCLI

@Suite("Arguments")
struct ArgumentTests {
    @Test(
        "Durations are parsed",
        arguments: [
            ("2", Duration.seconds(2)), ("0", .zero), ("0.5", .milliseconds(500)), ("250ms", .milliseconds(250)),
            ("1s", .seconds(1)), ("2m", .seconds(120)), ("1h", .seconds(3600)), ("1.5s", .milliseconds(1500)),
        ])
    func timeSpan(text: String, duration: Duration) {
        #expect(TimeSpan(argument: text)?.duration == duration)
    }

    @Test(
        "Malformed durations are rejected",
        arguments: ["", "s", "-1", "1x", "1 s", "nan", "inf", "1e3", "99999999h", "."])
    func noTimeSpan(text: String) {
        #expect(TimeSpan(argument: text) == nil)
    }

    @Test("Durations are printed as they are parsed", arguments: ["1s", "250ms", "0s"])
    func timeSpanDescription(text: String) {
        #expect(TimeSpan(argument: text)?.description == text)
    }

    @Test(
        "Sizes are parsed", arguments: [("1", 1), ("65536", 65536), ("64k", 65536), ("16M", 16 << 20), ("1g", 1 << 30)])
    func byteCount(text: String, bytes: Int) {
        #expect(ByteCount(argument: text)?.bytes == bytes)
    }

    @Test(
        "Malformed sizes are rejected",
        arguments: ["", "0", "k", "-1", "1.5k", "1kk", "9999999999999g", "99999999999999999999"])
    func noByteCount(text: String) {
        #expect(ByteCount(argument: text) == nil)
    }

    @Test("Header fields are parsed")
    func headerField() throws {
        let field = try HeaderField.parse("X-One: a: b ")
        #expect(field.name.rawName == "X-One")
        #expect(field.value == "a: b")
        #expect(try HeaderField.parse("X:").value.isEmpty)
    }

    @Test(
        "A header field that is malformed or has a line break is rejected",
        arguments: ["no colon", "a b: c", ": c", "a: b\r\nc: d", "a: b\nc: d", "a\r\nb: c"])
    func noHeaderField(text: String) {
        #expect(throws: ValidationError.self) { try HeaderField.parse(text) }
    }
}
