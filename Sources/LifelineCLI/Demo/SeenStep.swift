import Lifeline
import LifelineTrace

/// A step that both sides have observed.
struct SeenStep {
    let step: DemoStep
    /// The sender's observation.
    let sent: Observation
    /// The receiver's observation.
    let received: Observation
    /// When the step began. For TCP's connection that is before either side could observe it.
    let begin: ContinuousClock.Instant
    /// The round-trip time, for a Pong.
    var roundTrip: Duration?

    /// The time from the sender to the receiver.
    var elapsed: Duration { begin.duration(to: received.time) }

    /// The content as the receiver observed it, in parts that need not be on one line.
    var content: [String] {
        switch received.event {
        case .connected: ["TCP connection"]
        case .requestReceived(let request): SeenStep.describe(request)
        case .responseReceived(let response): SeenStep.describe(response)
        case .frameReceived(let header, let payload): SeenStep.describe(header, payload) + remarks
        case .inputEnded:
            step == .serverFIN ? ["FIN", "the server ends its side of TCP first", "RFC 6455 §7.1.1"] : ["FIN"]
        default: []
        }
    }

    /// Whether the received frame is the sent one.
    var isIntact: Bool {
        guard case .frameSent(let sentHeader, let sentPayload) = sent.event,
            case .frameReceived(let receivedHeader, let receivedPayload) = received.event
        else { return true }
        return sentHeader.payloadLength == receivedHeader.payloadLength && sentPayload == receivedPayload
    }

    private var remarks: [String] {
        step == .serverClose ? ["acknowledged"] : []
    }

    private static func describe(_ request: HTTPRequest) -> [String] {
        var lines = ["\(request.method) \(request.path ?? "/") HTTP/1.1"]
        if let upgrade = request.headerFields[.upgrade] { lines.append("Upgrade: \(upgrade)") }
        if let key = request.headerFields[.secWebSocketKey] { lines.append("Sec-WebSocket-Key: \(key)") }
        return lines
    }

    private static func describe(_ response: HTTPResponse) -> [String] {
        var lines = ["\(response.status.code) \(response.status.reasonPhrase)"]
        if let accept = response.headerFields[.secWebSocketAccept] { lines.append("Sec-WebSocket-Accept: \(accept)") }
        return lines
    }

    private static func describe(_ header: FrameHeader, _ payload: [UInt8]) -> [String] {
        let size = header.payloadLength.counted("byte") + (header.maskingKey == nil ? "" : ", masked")
        switch header.opcode {
        case .text: return ["text " + String(decoding: payload, as: UTF8.self).quoted(), size]
        case .binary: return ["binary " + Hexadecimal.text(payload, separator: " "), size]
        case .ping: return ["Ping", size]
        case .pong: return ["Pong", size]
        case .close:
            guard payload.count >= 2 else { return ["Close"] }
            let code = CloseCode(rawValue: UInt16(payload[0]) << 8 | UInt16(payload[1]))
            let reason = String(decoding: payload.dropFirst(2), as: UTF8.self)
            return ["Close \(code)"] + (reason.isEmpty ? [] : [reason.quoted()])
        default: return [header.opcode.description, size]
        }
    }
}
