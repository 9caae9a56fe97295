/// The colours of the command, as numbers of the terminal's palette, so that they suit light and dark terminals.
package enum Ink: String {
    case bold = "1"
    case dim = "2"
    case red = "31"
    case green = "32"
    case yellow = "33"
    case blue = "34"
    case magenta = "35"
    case cyan = "36"

    /// Returns the text with one or several inks.
    package static func paint(_ text: String, _ inks: [Ink]) -> String {
        "\u{1B}[" + inks.map(\.rawValue).joined(separator: ";") + "m" + text + "\u{1B}[0m"
    }
}
