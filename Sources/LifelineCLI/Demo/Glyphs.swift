/// The characters of the demo's boxes, arrows and brackets.
struct Glyphs {
    var shaft, tcpShaft, arrowRight, arrowLeft: Character
    /// The bracket beside a phase: its beginning, its middle and its end.
    var phaseBegin, phaseMiddle, phaseEnd: String
    /// The edges of the boxes at the lifelines' beginnings and ends.
    var boxTop, boxBottom, boxEnd: (left: String, middle: String, right: String)
    var boxEdge: String

    /// Unicode characters.
    static let unicode = Glyphs(
        shaft: "─", tcpShaft: "╌", arrowRight: "▶", arrowLeft: "◀", phaseBegin: "╮", phaseMiddle: "│",
        phaseEnd: "╯", boxTop: ("╭", "─", "╮"), boxBottom: ("╰", "┬", "╯"), boxEnd: ("─", "┴", "─"), boxEdge: "│")

    /// ASCII characters.
    static let ascii = Glyphs(
        shaft: "-", tcpShaft: ".", arrowRight: ">", arrowLeft: "<", phaseBegin: "\\", phaseMiddle: "|",
        phaseEnd: "/", boxTop: ("+", "-", "+"), boxBottom: ("+", "+", "+"), boxEnd: ("-", "+", "-"), boxEdge: "|")
}
