import Testing

/// A text as a test's argument that is printed with its control characters escaped: logs are read on terminals.
struct EscapedText: Sendable, ExpressibleByStringLiteral, CustomTestStringConvertible {
    let text: String

    init(_ text: String) {
        self.text = text
    }

    init(stringLiteral text: String) {
        self.text = text
    }

    var testDescription: String { text.debugDescription }
}
