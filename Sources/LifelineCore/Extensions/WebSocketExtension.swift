/// One extension in a `Sec-WebSocket-Extensions` field: a name and its parameters
/// ([RFC 6455 §9.1](https://www.rfc-editor.org/rfc/rfc6455#section-9.1)).
public struct WebSocketExtension: Hashable, Sendable {
    /// A parameter: a name, and perhaps a value.
    public struct Parameter: Hashable, Sendable {
        /// The parameter's name, a token.
        public var name: String
        /// The parameter's value, a token; `nil` if it has none. Quoted values are stored without their quotes.
        public var value: String?

        /// Creates a parameter with the given name and value, both tokens.
        public init(name: String, value: String? = nil) {
            self.name = name
            self.value = value
        }
    }

    /// The extension's registered name, a token.
    public var name: String
    /// The parameters, in order.
    public var parameters: [Parameter]

    /// Creates an extension with the given name and parameters.
    public init(name: String, parameters: [Parameter] = []) {
        self.name = name
        self.parameters = parameters
    }
}

extension WebSocketExtension: CustomStringConvertible {
    /// The extension as in the header field.
    public var description: String {
        parameters.reduce(name) { text, parameter in
            text + "; " + parameter.name + (parameter.value.map { "=" + $0 } ?? "")
        }
    }

    /// Whether the name, and the name and value of each parameter, are tokens, as the grammar requires.
    var isValid: Bool {
        HTTPSyntax.isToken(name)
            && parameters.allSatisfy { HTTPSyntax.isToken($0.name) && $0.value.map { HTTPSyntax.isToken($0) } ?? true }
    }
}

extension WebSocketExtension {
    /// The most extensions of a message, and the most parameters of an extension.
    static let maximumCount = 32

    /// Parses the values of a message's `Sec-WebSocket-Extensions` fields, which form one list.
    ///
    /// The work is linear in the bytes, without backtracking.
    ///
    /// - Returns: The extensions, in order; `nil` if a value breaks the grammar of §9.1, or there are too many extensions.
    package static func parse(_ values: [String]) -> [WebSocketExtension]? {
        var extensions: [WebSocketExtension] = []
        for value in values {
            var parser = ExtensionParser(value)
            guard let parsed = parser.list(), extensions.count + parsed.count <= maximumCount else { return nil }
            extensions += parsed
        }
        return extensions
    }
}

/// A recursive-descent parser of the grammar of RFC 6455 §9.1, with one byte of look-ahead.
private struct ExtensionParser {
    private let bytes: [UInt8]
    private var position = 0

    init(_ text: String) {
        bytes = Array(text.utf8)
    }

    /// `extension-list = 1#extension`. A limited number of empty members is allowed (RFC 9110 §5.6.1).
    mutating func list() -> [WebSocketExtension]? {
        var extensions: [WebSocketExtension] = []
        var emptyMembers = 0
        while true {
            skipWhitespace()
            if isAtEnd { return extensions }
            if skip(UInt8(ascii: ",")) {
                emptyMembers += 1
                guard emptyMembers <= WebSocketExtension.maximumCount else { return nil }
                continue
            }
            guard extensions.count < WebSocketExtension.maximumCount, let next = element() else { return nil }
            extensions.append(next)
            skipWhitespace()
            guard isAtEnd || skip(UInt8(ascii: ",")) else { return nil }
        }
    }

    /// `extension = extension-token *( ";" extension-param )`
    private mutating func element() -> WebSocketExtension? {
        guard let name = token() else { return nil }
        var parameters: [WebSocketExtension.Parameter] = []
        skipWhitespace()
        while skip(UInt8(ascii: ";")) {
            skipWhitespace()
            guard parameters.count < WebSocketExtension.maximumCount, let parameter = parameter() else { return nil }
            parameters.append(parameter)
            skipWhitespace()
        }
        return WebSocketExtension(name: name, parameters: parameters)
    }

    /// `extension-param = token [ "=" (token | quoted-string) ]`
    private mutating func parameter() -> WebSocketExtension.Parameter? {
        guard let name = token() else { return nil }
        skipWhitespace()
        guard skip(UInt8(ascii: "=")) else { return .init(name: name) }
        skipWhitespace()
        let quoted = peek == UInt8(ascii: "\"")
        guard let value = quoted ? quotedToken() : token() else { return nil }
        return .init(name: name, value: value)
    }

    private mutating func token() -> String? {
        let start = position
        while let byte = peek, HTTPSyntax.isTokenCharacter(byte) { position += 1 }
        return position == start ? nil : String(decoding: bytes[start..<position], as: UTF8.self)
    }

    /// A quoted string whose value, after unescaping, is a token.
    private mutating func quotedToken() -> String? {
        position += 1
        var value: [UInt8] = []
        while let byte = peek {
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                let text = String(decoding: value, as: UTF8.self)
                return HTTPSyntax.isToken(text) ? text : nil
            case UInt8(ascii: "\\"):
                guard let escaped = peek else { return nil }
                position += 1
                value.append(escaped)
            default: value.append(byte)
            }
        }
        return nil
    }

    private var isAtEnd: Bool { position == bytes.count }

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skip(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        position += 1
        return true
    }

    private mutating func skipWhitespace() {
        while let byte = peek, HTTPSyntax.isWhitespace(byte) { position += 1 }
    }
}
