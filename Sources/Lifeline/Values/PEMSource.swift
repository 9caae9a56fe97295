/// The source of certificates or a key in PEM format.
public struct PEMSource: Hashable, Sendable {
    enum Source: Hashable, Sendable {
        case file(String)
        case text(String)
    }

    let source: Source

    /// A PEM file at a path.
    public static func file(_ path: String) -> PEMSource { PEMSource(source: .file(path)) }

    /// A PEM text.
    public static func text(_ text: String) -> PEMSource { PEMSource(source: .text(text)) }

    /// The name of the source in error messages.
    var name: String {
        switch source {
        case .file(let path): path
        case .text: "the PEM text"
        }
    }
}
