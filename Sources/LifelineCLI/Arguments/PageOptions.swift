import ArgumentParser
import Lifeline
import LifelineTrace

/// Whether a command serves the page that shows every connection, and what it shows to which visitors.
struct PageOptions: ParsableArguments {
    @Flag(help: "Do not serve the page that shows every connection.")
    var noPage = false

    @Option(
        help: ArgumentHelp(
            "Require this token (/lifeline?token=…), and then show the page to any machine, not only this one.",
            valueName: "token"),
        transform: PageOptions.token)
    var pageToken: String?

    @Flag(help: "Show the first 4 KiB of each payload on the page.")
    var showPayloads = false

    private static func token(_ text: String) throws -> String {
        guard text.contains(where: { !$0.isWhitespace }) else {
            // Most likely a variable of a script that is not set.
            throw ValidationError(
                "an empty token would show the page to everyone; leave the option out to show it to this machine only")
        }
        return text
    }

    /// The page, or `nil` with `--no-page`.
    func page(_ redaction: Redaction) -> ConnectionPage? {
        guard !noPage else { return nil }
        var options = ConnectionBoard.Options()
        options.payloadLimit = showPayloads ? 4096 : 0
        options.redaction = redaction
        return ConnectionPage(board: ConnectionBoard(options: options), token: pageToken)
    }

    /// The line that says where the page is.
    func line(_ address: ServerAddress, _ tls: ServerTLSOptions, _ terminal: Terminal) -> String {
        let url = "http\(tls.scheme == "wss" ? "s" : "")://\(address.reachable)/lifeline"
        return "  " + url + (pageToken == nil ? "" : "?token=…")
            + terminal.paint("  shows every connection as it happens", .dim)
    }
}

extension ServerAddress {
    /// The address under which a browser on this machine finds the server: `localhost` for a server that listens at
    /// every address.
    fileprivate var reachable: String {
        let text = "\(self)"
        for wildcard in ["0.0.0.0:", "[::]:"] where text.hasPrefix(wildcard) {
            return "localhost:" + text.dropFirst(wildcard.count)
        }
        return text
    }
}
