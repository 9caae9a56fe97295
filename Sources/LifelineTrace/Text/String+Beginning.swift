import Lifeline

extension String {
    /// The most scalars per character that are read. Unicode sets no limit, so a single character of a peer may be as long as
    /// everything that it has sent.
    private static let scalarsPerCharacter = 16

    /// Returns the first characters, and whether there are more. The work does not depend on the length of the rest.
    package func beginning(_ characters: Int) -> (text: String, isCut: Bool) {
        let characters = Swift.max(characters, 0)
        let scalars = unicodeScalars.prefix(characters.multipliedSaturating(by: String.scalarsPerCharacter))
        let shown = String(String(scalars).prefix(characters))
        return (shown, shown.utf8.count < utf8.count)
    }

    /// Returns the first characters of text in UTF-8, and whether there are more.
    ///
    /// - Parameters:
    ///   - bytes: The text.
    ///   - isCut: Whether the text was cut, and may end inside a character.
    ///   - characters: The most characters.
    static func beginning(of bytes: [UInt8], isCut: Bool, characters: Int) -> (text: String, isCut: Bool) {
        let limit = Swift.max(characters, 0).multipliedSaturating(by: 4 * scalarsPerCharacter).addingSaturating(4)
        var text = String(decoding: bytes.prefix(limit), as: UTF8.self)
        if isCut || bytes.count > limit {
            while text.unicodeScalars.last == "\u{FFFD}" { text.unicodeScalars.removeLast() }
        }
        let shown = text.beginning(characters)
        return (shown.text, shown.isCut || bytes.count > limit)
    }
}
