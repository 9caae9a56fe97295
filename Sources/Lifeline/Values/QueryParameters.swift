import LifelineCore

/// The parameters in the query of a request, in the order in which they appear.
///
/// Names and values are decoded as HTML forms encode them
/// ([WHATWG URL §5.1](https://url.spec.whatwg.org/#application/x-www-form-urlencoded)): `%20` and `+` are both a space.
public struct QueryParameters: Hashable, Sendable {
    /// A name and its value.
    public struct Parameter: Hashable, Sendable {
        /// The name, decoded.
        public var name: String
        /// The value, decoded; empty if there is none.
        public var value: String
    }

    private let parameters: [Parameter]

    /// Parses a query.
    ///
    /// - Parameter text: The query as it is in the request, without its question mark. Bytes that are not UTF-8 become
    ///   U+FFFD, and a `%` that is not followed by two hexadecimal digits is kept.
    public init(_ text: some StringProtocol) {
        parameters = text.split(separator: "&").map { part in
            let halves = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return Parameter(
                name: QueryParameters.decoded(halves[0]),
                value: halves.count > 1 ? QueryParameters.decoded(halves[1]) : "")
        }
    }

    /// The value of the first parameter with a name; `nil` if there is none.
    public subscript(name: String) -> String? {
        parameters.first { $0.name == name }?.value
    }

    /// Returns the values of all parameters with a name, in the order in which they appear.
    public func values(of name: String) -> [String] {
        parameters.filter { $0.name == name }.map(\.value)
    }

    private static func decoded(_ text: some StringProtocol) -> String {
        let bytes = text.utf8.map { $0 == UInt8(ascii: "+") ? UInt8(ascii: " ") : $0 }
        return String(decoding: SecretText.percentDecoded(bytes[...]), as: UTF8.self)
    }
}

extension QueryParameters: RandomAccessCollection {
    public var startIndex: Int { parameters.startIndex }
    public var endIndex: Int { parameters.endIndex }
    public subscript(index: Int) -> Parameter { parameters[index] }
}
