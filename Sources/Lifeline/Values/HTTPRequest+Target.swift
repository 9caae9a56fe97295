import HTTPTypes

extension HTTPRequest {
    /// The path without its query.
    var targetPath: String { String((path ?? "/").prefix { $0 != "?" }) }

    /// The query without its question mark; `nil` if there is none.
    var targetQuery: Substring? {
        guard let path, let mark = path.firstIndex(of: "?") else { return nil }
        return path[path.index(after: mark)...]
    }
}
