import Lifeline
import LifelineTrace

/// A control frame in words.
struct ControlText: CustomStringConvertible {
    let description: String

    init(_ event: ControlEvent, _ terminal: Terminal) {
        var text = event.opcode.description
        switch event.opcode {
        case .close:
            if event.payload.count >= 2 {
                text += " \(CloseCode(rawValue: UInt16(event.payload[0]) << 8 | UInt16(event.payload[1])))"
                let reason = String(decoding: event.payload.dropFirst(2), as: UTF8.self)
                if !reason.isEmpty { text += " " + reason.quoted(unicode: terminal.usesUnicode) }
            }
        default:
            if !event.payload.isEmpty { text += " " + Hexadecimal.text(event.payload) }
            if let roundTrip = event.roundTrip {
                text += ", round trip " + roundTrip.text(unicode: terminal.usesUnicode)
            }
        }
        description = text
    }
}
