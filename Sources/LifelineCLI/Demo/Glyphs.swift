/// The characters of which the diagram is drawn.
struct Glyphs {
    var lifeline, shaft, tcpShaft, arrowRight, arrowLeft: Character
    /// The bracket around a phase: its beginning, its middle and its end.
    var phaseBegin, phaseMiddle, phaseEnd: String
    /// The corners and edges of the boxes, from which the lifelines hang, and to which they lead.
    var boxTop, boxBottom, boxEnd: (left: String, middle: String, right: String)
    var boxEdge: String
    var dot, ellipsis: String

    /// Boxes and arrows as Unicode has them.
    static let unicode = Glyphs(
        lifeline: "│", shaft: "─", tcpShaft: "╌", arrowRight: "▶", arrowLeft: "◀", phaseBegin: "╮", phaseMiddle: "│",
        phaseEnd: "╯", boxTop: ("╭", "─", "╮"), boxBottom: ("╰", "┬", "╯"), boxEnd: ("─", "┴", "─"), boxEdge: "│",
        dot: " · ", ellipsis: "…")

    /// What every terminal and every mail can show.
    static let ascii = Glyphs(
        lifeline: "|", shaft: "-", tcpShaft: ".", arrowRight: ">", arrowLeft: "<", phaseBegin: "\\", phaseMiddle: "|",
        phaseEnd: "/", boxTop: ("+", "-", "+"), boxBottom: ("+", "+", "+"), boxEnd: ("-", "+", "-"), boxEdge: "|",
        dot: ", ", ellipsis: "...")
}
