/// Which web pages may open a connection ([RFC 6455 §10.2](https://www.rfc-editor.org/rfc/rfc6455#section-10.2)).
///
/// A browser lets any page connect to any server, sends the user's cookies along, and names the page's origin in the `Origin` field. A
/// server that does not check the field lets every page act in the user's name (cross-site WebSocket hijacking). Clients other than
/// browsers send no such field; every policy allows them.
public struct OriginPolicy: Hashable, Sendable {
    private enum Rule: Hashable, Sendable {
        case sameOrigin
        case any
        case oneOf(Set<String>)
    }

    private let rule: Rule
    /// The first origin of the policy that no browser sends; `nil` if there is none. A server does not start if there is one.
    public let invalidOrigin: InvalidOrigin?

    private init(rule: Rule, invalidOrigin: InvalidOrigin? = nil) {
        self.rule = rule
        self.invalidOrigin = invalidOrigin
    }

    /// Allows pages that this server delivered: the origin's host and port are those of the request. The default.
    public static var sameOrigin: OriginPolicy { OriginPolicy(rule: .sameOrigin) }

    /// Allows pages of any origin: for public services that identify clients neither by cookies nor by their address.
    public static var any: OriginPolicy { OriginPolicy(rule: .any) }

    /// Allows pages of these origins.
    ///
    /// - Parameter origins: Origins as browsers write them, such as `https://example.org` or `https://example.org:8443`: with the scheme,
    ///   without a path, and without the scheme's default port. ``invalidOrigin`` is the first one for which ``check(_:)`` fails.
    public static func oneOf(_ origins: some Sequence<String>) -> OriginPolicy {
        var invalid: InvalidOrigin?
        var allowed: Set<String> = []
        for origin in origins {
            do throws(InvalidOrigin) {
                try check(origin)
            } catch {
                invalid = invalid ?? error
            }
            allowed.insert(origin.lowercased())
        }
        return OriginPolicy(rule: .oneOf(allowed), invalidOrigin: invalid)
    }

    /// Whether a page of the given origin may connect to the given host.
    ///
    /// - Parameters:
    ///   - origin: The value of the `Origin` field; `nil` if there is none.
    ///   - authority: The request's host and port.
    public func allows(origin: String?, authority: String?) -> Bool {
        guard let origin else { return true }
        switch rule {
        case .any: return true
        case .oneOf(let origins): return origins.contains(origin.lowercased())
        case .sameOrigin:
            // The scheme is not compared: behind a proxy that terminates TLS, the page's is https, and the request's is not.
            guard let authority, !authority.isEmpty, let separator = origin.firstRange(ofText: "://") else {
                return false
            }
            let scheme = origin[..<separator.lowerBound].lowercased()
            let defaultPort = scheme == "https" ? ":443" : scheme == "http" ? ":80" : ""
            return OriginPolicy.normalized(origin[separator.upperBound...].lowercased(), without: defaultPort)
                == OriginPolicy.normalized(authority.lowercased(), without: defaultPort)
        }
    }

    private static func normalized(_ authority: String, without defaultPort: String) -> Substring {
        !defaultPort.isEmpty && authority.hasSuffix(defaultPort)
            ? authority.dropLast(defaultPort.count) : authority[...]
    }
}

extension String {
    /// Returns the first range of `text`. The standard library's search requires newer Apple systems.
    fileprivate func firstRange(ofText text: String) -> Range<String.Index>? {
        indices.first { self[$0...].hasPrefix(text) }.map { $0..<index($0, offsetBy: text.count) }
    }
}
