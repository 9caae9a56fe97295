import Testing

@testable import LifelineCore

@Suite("§9.1 the grammar of extensions")
struct ExtensionGrammarTests {
    private typealias Parameter = WebSocketExtension.Parameter

    /// One extension with the given parameters.
    private func one(_ name: String, _ parameters: (String, String?)...) -> WebSocketExtension {
        WebSocketExtension(name: name, parameters: parameters.map { Parameter(name: $0.0, value: $0.1) })
    }

    @Test("§9.1 names, parameters and values are parsed")
    func wellFormed() {
        #expect(WebSocketExtension.parse(["foo"]) == [one("foo")])
        #expect(WebSocketExtension.parse(["foo; bar"]) == [one("foo", ("bar", nil))])
        #expect(WebSocketExtension.parse(["foo; bar=1"]) == [one("foo", ("bar", "1"))])
        #expect(
            WebSocketExtension.parse(["foo; bar=1; baz; bar=2"]) == [
                one("foo", ("bar", "1"), ("baz", nil), ("bar", "2"))
            ])
        #expect(WebSocketExtension.parse(["a, b; c, d"]) == [one("a"), one("b", ("c", nil)), one("d")])
        #expect(WebSocketExtension.parse(["!#$%&'*+-.^_`|~09azAZ"]) == [one("!#$%&'*+-.^_`|~09azAZ")])
    }

    @Test("§9.1 the RFC's examples are parsed")
    func examples() {
        #expect(WebSocketExtension.parse(["deflate-stream"]) == [one("deflate-stream")])
        #expect(
            WebSocketExtension.parse(["mux; max-channels=4; flow-control, deflate-stream"])
                == [one("mux", ("max-channels", "4"), ("flow-control", nil)), one("deflate-stream")])
        #expect(WebSocketExtension.parse(["private-extension"]) == [one("private-extension")])
    }

    @Test("§9.1 several fields are one list, in their order")
    func severalFields() {
        #expect(WebSocketExtension.parse(["foo", "bar; baz=2"]) == WebSocketExtension.parse(["foo, bar; baz=2"]))
        #expect(WebSocketExtension.parse([]) == [])
        #expect(WebSocketExtension.parse(["", "a", ""]) == [one("a")])
    }

    @Test(
        "RFC 9110 §5.6.3 white space around separators is optional",
        arguments: ["a;b=1;c,d", "a; b=1; c, d", " \ta\t;\tb\t=\t1 ; c\t ,\t d \t", "a ;b= 1;c ,d"])
    func whitespace(text: String) {
        let expected = [one("a", ("b", "1"), ("c", nil)), one("d")]
        #expect(WebSocketExtension.parse([text]) == expected)
    }

    @Test("RFC 9110 §5.6.1 a limited number of empty list members is skipped")
    func emptyMembers() {
        #expect(WebSocketExtension.parse([",a,,b, ,"]) == [one("a"), one("b")])
        #expect(WebSocketExtension.parse([","]) == [])
        #expect(WebSocketExtension.parse([String(repeating: ",", count: 32)]) == [])
        #expect(WebSocketExtension.parse([String(repeating: ",", count: 33)]) == nil)
    }

    @Test("§9.1 a quoted value must be a token once unquoted")
    func quoted() {
        #expect(WebSocketExtension.parse(["a; b=\"10\""]) == [one("a", ("b", "10"))])
        #expect(WebSocketExtension.parse(["a; b=\"1\\0\""]) == [one("a", ("b", "10"))])
        #expect(WebSocketExtension.parse(["a; b=\"\\1\\0\" , c"]) == [one("a", ("b", "10")), one("c")])
        #expect(WebSocketExtension.parse(["a; b=\"x\"; c=\"y\""]) == [one("a", ("b", "x"), ("c", "y"))])
    }

    @Test(
        "§9.1 a list that breaks the grammar is rejected as a whole",
        arguments: [
            ";", "=", "a;", "a;;b", "a; ;b", "a=", "a=b", "a; =", "a; =b", "a; b=", "a; b=;c", "a; b==c", "a; b=c=d",
            "a b",
            "a; b c", "a; b=c d", "a/b", "a; b/c", "a; b=c/d", "\"a\"", "a; \"b\"", "a; \"b\"=c", "a; b=\"", "a; b=\"c",
            "a; b=\"\"", "a; b=\"c d\"", "a; b=\"c,d\"", "a; b=\"c;d\"", "a; b=\"c\"d", "a; b=\"c\" d", "a; b=\"c\\",
            "a; b=\"\\\"\"",
            "a; b='c d'", "ä", "a; b=ä", "a; b=\"ä\"", "a, ;", "a,b;", "(a)", "a; b={c}", "a; b=\"c\"\"d\"",
        ])
    func malformed(_ text: String) {
        #expect(WebSocketExtension.parse([text]) == nil)
        #expect(WebSocketExtension.parse(["valid", text]) == nil)
        #expect(WebSocketExtension.parse(["valid, " + text]) == nil)
    }

    @Test("§9.1 control characters are rejected everywhere")
    func controlCharacters() {
        for byte in UInt8(0)..<0x20 where byte != 0x09 {
            let control = String(decoding: [byte], as: UTF8.self)
            for text in [
                "a\(control)", "\(control)a", "a; b\(control)", "a; b=\(control)", "a; b=\"\(control)\"",
                "a,\(control)b",
            ] {
                #expect(WebSocketExtension.parse([text]) == nil)
            }
        }
    }

    @Test("§9.1 at most 32 extensions, with at most 32 parameters each, are parsed")
    func limits() {
        let names = (0..<33).map { "e\($0)" }
        #expect(WebSocketExtension.parse([names.dropLast().joined(separator: ", ")])?.count == 32)
        #expect(WebSocketExtension.parse([names.joined(separator: ", ")]) == nil)
        #expect(WebSocketExtension.parse(names) == nil)
        #expect(
            WebSocketExtension.parse([names.dropLast().reduce("a") { $0 + "; " + $1 }])?.first?.parameters.count == 32)
        #expect(WebSocketExtension.parse([names.reduce("a") { $0 + "; " + $1 }]) == nil)
    }

    @Test("§9.1 a parsed extension round-trips")
    func roundTrip() {
        let all = [one("a", ("b", "1"), ("c", nil)), one("d"), one("e", ("f", "!#$%"))]
        #expect(WebSocketExtension.parse([all.map(\.description).joined(separator: ", ")]) == all)
        #expect(WebSocketExtension.parse(all.map(\.description)) == all)
    }

    /// Each would take hours where a parser tries one thing twice per byte.
    @Test(
        "§9.1 pathological lists take linear time",
        .timeLimit(.minutes(1)),
        arguments: [
            String(repeating: ",", count: 200_000), String(repeating: " ", count: 200_000),
            String(repeating: "a", count: 200_000),
            String(repeating: "a;", count: 100_000), "a" + String(repeating: ";b=\"\\", count: 40_000),
            "a; b=\"" + String(repeating: "\\\"", count: 100_000), "a; b=" + String(repeating: "\"", count: 200_000),
            "a; b=\"" + String(repeating: "c", count: 200_000) + "\" x",
            "a" + String(repeating: " ", count: 200_000) + "b",
            String(repeating: "a,", count: 100_000), "a" + String(repeating: "; b=c", count: 50_000),
        ].map(PathologicalList.init))
    func pathological(_ list: PathologicalList) {
        // A name of any length is a name, and so is nothing a list; all others break the grammar or a limit.
        let isValid = list.text.utf8.allSatisfy { $0 == 0x61 || $0 == 0x20 } && !list.text.contains("a ")
        #expect((WebSocketExtension.parse([list.text]) != nil) == isValid)
    }
}

/// A long text that a failed test does not print in full.
struct PathologicalList: Sendable, CustomTestStringConvertible {
    let text: String

    var testDescription: String { "\(text.prefix(12))… of \(text.utf8.count) bytes" }
}
