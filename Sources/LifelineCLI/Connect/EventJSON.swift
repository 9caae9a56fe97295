import Lifeline
import LifelineTrace
import NIOCore

/// Formats the events of a connection as JSON, each as an object on one line.
enum EventJSON {
    /// The opening of the connection.
    static func opened(_ url: WebSocketURL, _ handshake: WebSocketHandshake) -> String {
        var object = event("open")
        object.add("url", url.withoutSecrets)
        object.add("peer", handshake.remoteAddress)
        object.add("subprotocol", handshake.subprotocol)
        object.add("compression", handshake.compression.map { "\($0)" })
        return object.line
    }

    /// A received message.
    static func received(_ message: WebSocketMessage) -> String {
        var object = event("message")
        switch message {
        case .text(let text):
            object.add("kind", "text")
            object.add("text", text)
        case .binary(let bytes):
            object.add("kind", "binary")
            object.add("hex", Hexadecimal.text(bytes.readableBytesView))
        }
        return object.line
    }

    /// A Ping or Pong, sent or received.
    static func control(_ frame: ControlEvent) -> String {
        var object = event(frame.opcode.description, at: frame.time)
        object.add("direction", frame.isSent ? "sent" : "received")
        object.add("hex", Hexadecimal.text(frame.payload))
        if let roundTrip = frame.roundTrip { object.add("roundTripMicroseconds", roundTrip.microseconds) }
        return object.line
    }

    /// The end of the connection.
    static func closed(_ outcome: CloseOutcome, _ compression: CompressionStatistics) -> String {
        let (reason, failure) = Redaction().texts(of: outcome)
        var object = event("close")
        object.add("code", Int(outcome.code.rawValue))
        object.add("reason", reason)
        object.add("clean", outcome.isClean)
        object.add("initiator", "\(outcome.initiator)")
        object.add("failure", failure)
        if compression.sentWireBytes > 0 {
            object.add("compressedSentBytes", compression.sentBytes)
            object.add("compressedSentWireBytes", compression.sentWireBytes)
        }
        if compression.receivedWireBytes > 0 {
            object.add("compressedReceivedBytes", compression.receivedBytes)
            object.add("compressedReceivedWireBytes", compression.receivedWireBytes)
        }
        return object.line
    }

    private static func event(_ name: String, at time: Timestamp = .now) -> JSONObject {
        var object = JSONObject()
        object.add("event", name)
        object.add("time", time.rfc3339)
        return object
    }
}
