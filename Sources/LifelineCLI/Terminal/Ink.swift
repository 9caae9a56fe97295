/// The colours of the command, by their numbers in the terminal's own palette, so that they suit light and dark ones.
enum Ink: String {
    case bold = "1"
    case dim = "2"
    case red = "31"
    case green = "32"
    case yellow = "33"
    case blue = "34"
    case magenta = "35"
    case cyan = "36"
}
