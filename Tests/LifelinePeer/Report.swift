import Foundation
import Lifeline
import LifelineCore

/// What happened, as a line of JSON for the script that reads along.
struct Report: Encodable {
    var event: String
    /// The connection's name, which the script chose.
    var id: String?

    var port: Int?
    var subprotocol: String?
    /// What was agreed on for compression, as a server's answer writes it.
    var compression: String?
    var kind: String?
    var text: String?
    var size: Int?
    var microseconds: Int?
    var code: UInt16?
    var reason: String?
    var isClean: Bool?
    var initiator: String?
    /// The compressed messages, in bytes before and after.
    var compressed: Compressed?
    var error: String?
    var message: String?

    /// What ``CompressionStatistics`` says.
    struct Compressed: Encodable {
        var sent: Int
        var sentWire: Int
        var received: Int
        var receivedWire: Int
    }

    static func listening(at address: ServerAddress) -> Report {
        Report(event: "listening", port: address.port)
    }

    /// Writes the line, at once.
    func print() {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard var line = try? encoder.encode(self) else { return }
        line.append(0x0A)
        // One write a line, so that the lines of connections on several loops do not mix.
        FileHandle.standardOutput.write(line)
    }
}

/// Reports what happens to one connection.
struct Reporter {
    /// The connection's name, which the script chose.
    var id: String?

    func opened(_ handshake: WebSocketHandshake) {
        Report(
            event: "opened", id: id, subprotocol: handshake.subprotocol,
            compression: handshake.compression.map { "\($0)" }
        ).print()
    }

    func received(_ message: borrowing ReceivedMessage) {
        let kind = message.kind == .text ? "text" : "binary"
        Report(event: "message", id: id, kind: kind, text: message.text, size: message.count).print()
    }

    func answered(after roundTrip: Duration) {
        let microseconds = Int(roundTrip / .microseconds(1))
        Report(event: "pong", id: id, microseconds: microseconds).print()
    }

    func closing() {
        Report(event: "closing", id: id).print()
    }

    func ended(_ outcome: CloseOutcome, _ statistics: CompressionStatistics) {
        let initiator =
            switch outcome.initiator {
            case .local: "local"
            case .peer: "peer"
            case .both: "both"
            }
        Report(
            event: "ended", id: id, code: outcome.code.rawValue, reason: outcome.reason, isClean: outcome.isClean,
            initiator: initiator,
            compressed: Report.Compressed(
                sent: statistics.sentBytes, sentWire: statistics.sentWireBytes, received: statistics.receivedBytes,
                receivedWire: statistics.receivedWireBytes),
            message: "\(outcome)"
        ).print()
    }

    func failed(_ error: any Error) {
        let code = (error as? WebSocketError)?.code.description ?? "\(type(of: error))"
        Report(event: "failed", id: id, error: code, message: "\(error)").print()
    }
}
