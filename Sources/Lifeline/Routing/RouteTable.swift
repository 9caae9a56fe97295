import HTTPTypes

/// Finds what stands at a path among patterns.
///
/// If several patterns match, a literal segment precedes a parameter, and a parameter precedes the rest of a path: the
/// first segment in which they differ decides.
struct RouteTable<Value: Sendable>: Sendable {
    struct Entry: Sendable {
        let pattern: RoutePattern
        var value: Value
    }

    private struct Node: Sendable {
        var literals: [String: Int] = [:]
        var parameter: Int?
        /// The entry of the pattern that ends here.
        var end: Entry?
        /// The entry of the pattern that matches the rest of the path from here.
        var rest: Entry?
    }

    /// The nodes of the tree, whose root is the first.
    private var nodes = [Node()]
    /// The entries of patterns without parameters by path, which is the fast way to them.
    private var literals: [String: Entry] = [:]

    /// All entries, in no particular order.
    var entries: [Entry] { nodes.flatMap { [$0.end, $0.rest].compactMap { $0 } } }

    /// Adds a pattern, or changes the value of the pattern that matches the same paths.
    ///
    /// - Parameter change: Gets the entry that is there already, if there is one, and returns the value.
    mutating func set<Failure>(
        _ pattern: RoutePattern, _ change: (Entry?) throws(Failure) -> Value
    ) throws(Failure) {
        var node = 0
        for segment in pattern.segments {
            switch segment {
            case .literal(let text): node = child(of: node, \.literals[text])
            case .parameter: node = child(of: node, \.parameter)
            case .rest:
                nodes[node].rest = Entry(pattern: pattern, value: try change(nodes[node].rest))
                return
            }
        }
        let entry = Entry(pattern: pattern, value: try change(nodes[node].end))
        nodes[node].end = entry
        if pattern.isLiteral { literals[pattern.text] = entry }
    }

    private mutating func child(of node: Int, _ place: WritableKeyPath<Node, Int?>) -> Int {
        if let child = nodes[node][keyPath: place] { return child }
        nodes.append(Node())
        nodes[node][keyPath: place] = nodes.count - 1
        return nodes.count - 1
    }

    /// Returns the entry for a path without a query; `nil` if no pattern matches.
    ///
    /// - Parameter isSuitable: Whether an entry counts. Less specific patterns are tried if it does not.
    func entry(at path: String, where isSuitable: (Value) -> Bool = { _ in true }) -> Entry? {
        if let entry = literals[path], isSuitable(entry.value) { return entry }
        guard path.hasPrefix("/") else { return nil }
        let parts = RoutePattern.parts(of: path)
        return entry(parts[...], from: 0, isSuitable)
    }

    private func entry(_ parts: ArraySlice<Substring>, from index: Int, _ isSuitable: (Value) -> Bool) -> Entry? {
        let node = nodes[index]
        func suitable(_ entry: Entry?) -> Entry? { entry.flatMap { isSuitable($0.value) ? $0 : nil } }
        guard let part = parts.first else { return suitable(node.end) }
        let rest = parts.dropFirst()
        if let child = node.literals[RoutePattern.decoded(part)], let found = entry(rest, from: child, isSuitable) {
            return found
        }
        if !part.isEmpty, let child = node.parameter, let found = entry(rest, from: child, isSuitable) { return found }
        return suitable(node.rest)
    }
}
