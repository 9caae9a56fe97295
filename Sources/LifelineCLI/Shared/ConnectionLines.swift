import Lifeline
import LifelineTrace

/// The log's lines about a connection. `serve` observes its connections, `proxy` decodes those that it relays; both log
/// these lines.
struct ConnectionLines: Sendable {
    let terminal: Terminal

    /// The messages in one direction.
    struct Traffic {
        var messages = 0
        /// The bytes of their payloads, decompressed.
        var bytes: UInt64 = 0
        /// How much smaller compression made them, or `nil` if none was compressed.
        var ratio: Double?

        fileprivate var description: String {
            "\(messages.counted("message")), \(bytes.counted("byte"))"
                + (ratio.map { ", compressed \($0.ratioText)" } ?? "")
        }
    }

    /// Returns the log line for a response.
    ///
    /// - Parameters:
    ///   - request: The method and the redacted target.
    ///   - peer: The client's address.
    ///   - extensions: The agreed extensions, for status 101.
    ///   - cause: Why the request was refused, if that is known.
    /// - Returns: The line, or `nil` for an interim answer, which another one follows.
    func answered(
        _ request: String, from peer: String, status: Int, reason: String, extensions: String? = nil,
        cause: String? = nil
    ) -> String? {
        let what = "\(terminal.visible(request)) from \(peer)"
        switch status {
        case 101:
            return terminal.paint("opened", .green) + " \(what)"
                + (extensions.map { ", with \(terminal.visible($0))" } ?? "")
        case 100..<200: return nil
        case 200..<300: return "answered \(what) with \(status)"
        default:
            return terminal.paint("refused", .yellow) + " \(what) with \(status) \(terminal.visible(reason))"
                + (cause.map { ": " + terminal.visible($0) } ?? "")
        }
    }

    /// A connection that ended before the server answered a request.
    func notOpened(from peer: String, _ failure: String) -> String {
        terminal.paint("not opened", .yellow) + " from \(peer): \(terminal.visible(failure))"
    }

    /// The end of a WebSocket connection.
    func closed(
        _ outcome: OutcomeText, isClean: Bool, after time: Duration, in received: Traffic, out sent: Traffic
    ) -> String {
        [
            terminal.paint("closed", isClean ? .green : .red) + " \(outcome)", time.text(unicode: terminal.usesUnicode),
            "in \(received.description)", "out \(sent.description)",
        ].joined(separator: "; ")
    }
}
