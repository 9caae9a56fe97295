public import FuzzSupport
public import LifelineTrace

/// Draws a recording in one of the formats.
///
/// The size of the drawing is bounded by that of the recording, whatever its numbers are.
public func draw(_ recording: Recording, by choice: UInt8) {
    let text = recording.text
    var options = SequenceDiagram.Options()
    if choice & 1 == 1 { options.collapses = nil }
    let diagrams = SequenceDiagram.all(of: recording, options: options)
    check(diagrams.count == recording.connections.count, "a diagram is missing")
    switch choice >> 1 & 7 {
    case 0: isBounded(TerminalRenderer(usesColor: true).render(diagrams), text)
    case 1: isBounded(TerminalRenderer(columns: .min, usesUnicode: false).render(diagrams), text)
    case 2: isBounded(MermaidRenderer().render(diagrams), text)
    case 3: isBounded(SVGRenderer().render(diagrams), text)
    case 4: isBounded(SVGRenderer(width: .max).render(diagrams), text)
    case 5: isBounded(HAR.write(recording, software: "fuzzing"), text)
    default:
        for connection in recording.connections.prefix(4) {
            live(recording.events.filter { $0.connection == connection })
        }
    }
}

private func isBounded(_ drawing: String, _ text: String) {
    check(drawing.utf8.count <= 64 * text.utf8.count + 65536, "\(drawing.utf8.count) bytes of \(text.utf8.count)")
}

/// Draws events as they arrive.
public func live(_ events: [TraceEvent]) {
    guard let first = events.first else { return }
    var diagram = LiveDiagram(observer: first.observer, renderer: TerminalRenderer())
    for event in events {
        _ = diagram.add(event)
        if event.time & 3 == 0 { _ = diagram.settle() }
    }
    _ = diagram.end()
}

/// Numbers that may be out of range.
public let absurdNumbers: [Int64] = [
    0, 1, -1, 2, 125, 126, 65535, 65536, 1 << 31, -1 << 31, 1 << 53, 1 << 62, .max - 1, .max, .min, .min + 1,
]

extension FuzzInput {
    /// Returns a number that is far out of range, or a small one.
    public mutating func number() -> Int64 {
        let choice = Int(byte())
        return choice < absurdNumbers.count ? absurdNumbers[choice] : Int64(choice) << (8 * (choice & 3))
    }

    /// Returns a short text, sometimes a wide one, or an empty one.
    public mutating func text() -> String {
        let texts = [
            "", "a", "/", "1.2.3.4:5", "wss", "\u{202E}\u{1B}[31m", "e\u{301}\u{301}\u{301}\u{301}\u{301}", "👩‍👩‍👧‍👦",
            "\u{FFFD}", "permessage-deflate", "a=b&c", "\"\\\r\n\t\0", "end", "日本語", "websocket",
        ]
        let choice = Int(byte())
        if choice < texts.count { return texts[choice] }
        let part = texts[Int(byte()) % texts.count]
        return String(repeating: part, count: choice & 31)
    }
}
