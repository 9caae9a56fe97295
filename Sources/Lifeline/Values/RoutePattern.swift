import LifelineCore

/// The pattern of a route's path: literal segments, parameters, and possibly a parameter for the rest of the path.
///
/// `/rooms/{room}` has a literal segment and a parameter. `/files/{path...}` matches every path that begins with
/// `/files/`.
final class RoutePattern: Sendable {
    enum Segment: Hashable, Sendable {
        /// Matches itself, after percent-decoding.
        case literal(String)
        /// Matches one segment that is not empty.
        case parameter(String)
        /// Matches the rest of the path, which may be empty. It is always the last segment.
        case rest(String)
    }

    /// Why a text is not a pattern.
    struct Malformed: Error, CustomStringConvertible {
        let description: String
    }

    /// The pattern as it was written; a metric's label.
    let text: String
    let segments: [Segment]

    init(_ text: String) throws(Malformed) {
        func malformed(_ what: String) -> Malformed { Malformed(description: "the route \(text): \(what)") }
        guard text.hasPrefix("/") else { throw malformed("a path must begin with /") }
        guard !text.contains(where: { $0 == "?" || $0 == "#" }) else {
            throw malformed("a path has no query and no fragment")
        }
        var segments: [Segment] = []
        var names: Set<String> = []
        let parts = text.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            guard part.contains(where: { $0 == "{" || $0 == "}" }) else {
                segments.append(.literal(RoutePattern.decoded(part)))
                continue
            }
            guard part.hasPrefix("{"), part.hasSuffix("}") else {
                throw malformed("a parameter must be a whole segment, as in /rooms/{room}")
            }
            var name = part.dropFirst().dropLast()
            let isRest = name.hasSuffix("...")
            if isRest { name = name.dropLast(3) }
            guard !name.isEmpty, name.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" }) else {
                throw malformed("a parameter's name must consist of letters, digits, - and _")
            }
            guard names.insert(String(name)).inserted else { throw malformed("two parameters have the name \(name)") }
            guard !isRest || index == parts.count - 1 else {
                throw malformed("{\(name)...} matches the rest of the path, so it must be the last segment")
            }
            segments.append(isRest ? .rest(String(name)) : .parameter(String(name)))
        }
        self.text = text
        self.segments = segments
    }

    /// Creates the pattern that matches one path alone.
    ///
    /// - Parameter path: A path without a query, percent-encoded as in a request.
    init(literal path: String) {
        text = path
        segments = RoutePattern.parts(of: path).map { .literal(RoutePattern.decoded($0)) }
    }

    /// Creates a pattern.
    ///
    /// - Precondition: The text is a pattern that matches `path`.
    convenience init(_ text: String, matching path: String) {
        do {
            try self.init(text)
        } catch {
            preconditionFailure(error.description)
        }
        precondition(matches(path), "the route \(text) does not match the path \(path)")
    }

    /// Whether the pattern matches a path without a query.
    private func matches(_ path: String) -> Bool {
        let parts = RoutePattern.parts(of: path)
        for (index, segment) in segments.enumerated() {
            guard index < parts.count else { return false }
            switch segment {
            case .literal(let text): if RoutePattern.decoded(parts[index]) != text { return false }
            case .parameter: if parts[index].isEmpty { return false }
            case .rest: return path.hasPrefix("/")
            }
        }
        return path.hasPrefix("/") && parts.count == segments.count
    }

    /// Whether the pattern has no parameters.
    var isLiteral: Bool {
        segments.allSatisfy {
            if case .literal = $0 { true } else { false }
        }
    }

    /// Returns the values of the pattern's parameters in a path that matches it.
    func parameters(in path: String) -> RouteParameters {
        let parts = RoutePattern.parts(of: path)
        var parameters: [RouteParameters.Parameter] = []
        for (index, segment) in segments.enumerated() where index < parts.count {
            switch segment {
            case .literal: break
            case .parameter(let name):
                parameters.append(.init(name: name, value: RoutePattern.decoded(parts[index])))
            case .rest(let name):
                let rest = parts[index...].map { RoutePattern.decoded($0) }.joined(separator: "/")
                parameters.append(.init(name: name, value: rest))
            }
        }
        return RouteParameters(parameters)
    }

    /// Returns the segments of a path, still percent-encoded.
    static func parts(of path: String) -> [Substring] {
        path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
    }

    static func decoded(_ part: Substring) -> String {
        guard part.utf8.contains(UInt8(ascii: "%")) else { return String(part) }
        return String(decoding: SecretText.percentDecoded(Array(part.utf8)[...]), as: UTF8.self)
    }
}
