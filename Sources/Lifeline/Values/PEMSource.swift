/// Certificates and keys in PEM form.
public struct PEMSource: Hashable, Sendable {
    enum Source: Hashable, Sendable {
        case file(String)
        case text(String)
    }

    let source: Source

    /// The file at a path.
    public static func file(_ path: String) -> PEMSource { PEMSource(source: .file(path)) }

    /// The text itself.
    public static func text(_ text: String) -> PEMSource { PEMSource(source: .text(text)) }

    /// What to call it in an error.
    var name: String {
        switch source {
        case .file(let path): path
        case .text: "the PEM text"
        }
    }
}
