import LifelineTrace
import Testing

@testable import LifelineCLI

@Suite("Text from a peer")
struct StringTests {
    @Test(
        "Text from a peer is shown without control characters",
        arguments: [
            ("plain, tschüß, 日本語", "plain, tschüß, 日本語"),
            ("\u{1B}[31m\u{7}", #"\x1b[31m\x07"#),
            ("a\nb\r\nc\td", #"a\nb\r\nc\td"#),
            ("\u{9B}2J\u{7F}", #"\u{9b}2J\x7f"#),
            ("\u{202E}\u{2066}\u{FEFF}\u{E0041}", #"\u{202e}\u{2066}\u{feff}\u{e0041}"#),
            ("a\\nb", #"a\nb"#),
        ])
    func visible(text: String, shown: String) {
        #expect(text.visible() == shown)
    }

    @Test("Text from a peer is shown in ASCII if the terminal does not use UTF-8")
    func visibleInASCII() {
        #expect("tschüß".visible(unicode: false) == #"tsch\u{fc}\u{df}"#)
    }

    @Test("Text from a peer cannot end its quotation early")
    func quoted() {
        #expect(#"a"b\c"#.quoted() == #""a\"b\\c""#)
        #expect("\u{1B}\"".quoted() == #""\x1b\"""#)
    }

    @Test(
        "A text's display width counts wide and combining characters",
        arguments: [("abc", 3), ("日本", 4), ("e\u{301}", 1), ("", 0), ("👍🏽", 2), ("│▶…µ", 4)])
    func displayWidth(text: String, width: Int) {
        #expect(text.displayWidth == width)
    }

    @Test("Long text is cut with an ellipsis")
    func truncated() {
        #expect("abcdef".truncated(to: 6, ellipsis: "…") == "abcdef")
        #expect("abcdef".truncated(to: 5, ellipsis: "…") == "abcd…")
        #expect("abcdef".truncated(to: 5, ellipsis: "...") == "ab...")
        #expect("日本語".truncated(to: 4, ellipsis: "…") == "日…")
        #expect("abc".truncated(to: 2, ellipsis: "...") == "")
    }

    @Test("Text can be centred and right-aligned")
    func alignment() {
        #expect("ab".centered(in: 5) == " ab  ")
        #expect("ab".aligned(right: 4) == "  ab")
        #expect("abc".centered(in: 2) == "abc")
    }
}
