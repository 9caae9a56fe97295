/// How the head of an HTTP/1.1 message says where its body ends
/// ([RFC 9112 §6.3](https://www.rfc-editor.org/rfc/rfc9112#section-6.3)).
package enum HTTPBodyLength: Hashable, Sendable {
    /// The head says nothing: a request has no body, and a response's body ends with the stream.
    case absent
    /// `Content-Length`: so many bytes.
    case bytes(Int)
    /// `Transfer-Encoding` that ends with `chunked`.
    case chunked
    /// Another `Transfer-Encoding`: only the end of the stream ends the body.
    case untilEnd

    /// Why the length cannot be known.
    package enum Malformed: Error, Equatable {
        /// A `Content-Length` is not a number, or several differ (RFC 9110 §8.6).
        case contentLength
        /// `Transfer-Encoding` and `Content-Length` in one message: the mark of request smuggling (§6.1).
        case contradictory
    }

    /// Differences between readers.
    package struct Tolerance: OptionSet, Sendable {
        package let rawValue: UInt8

        package init(rawValue: UInt8) {
            self.rawValue = rawValue
        }

        /// `Transfer-Encoding` overrides a `Content-Length` beside it, as §6.3 allows a client to read it.
        package static let bothLengths = Tolerance(rawValue: 1)
        /// Several `Content-Length` values count as one if they are equal (RFC 9110 §8.6).
        package static let repeatedLengths = Tolerance(rawValue: 2)
    }

    /// Reads the length from the values of the two fields.
    ///
    /// - Parameters:
    ///   - contentLength: The values of all `Content-Length` fields.
    ///   - transferEncoding: The values of all `Transfer-Encoding` fields.
    ///   - tolerance: What the reader accepts beyond the strict rules.
    package init(
        contentLength: [String], transferEncoding: [String], tolerating tolerance: Tolerance = []
    ) throws(Malformed) {
        guard transferEncoding.isEmpty else {
            guard contentLength.isEmpty || tolerance.contains(.bothLengths) else { throw .contradictory }
            let last = HTTPSyntax.listMembers(of: transferEncoding).last
            self = last.map { HTTPSyntax.isEqualIgnoringCase($0, "chunked") } ?? false ? .chunked : .untilEnd
            return
        }
        guard !contentLength.isEmpty else {
            self = .absent
            return
        }
        let values = HTTPSyntax.listMembers(of: contentLength)
        guard let first = values.first, values.count == 1 || tolerance.contains(.repeatedLengths),
            values.allSatisfy({ $0 == first }), first.utf8.allSatisfy(HTTPSyntax.isDigit), let length = Int(first)
        else { throw .contentLength }
        self = .bytes(length)
    }
}
