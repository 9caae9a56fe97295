import ArgumentParser
import Lifeline
import LifelineTrace
import Logging

/// Whether, where and to whom `lifeline proxy` shows what it relays.
struct ProxyPageArguments: ParsableArguments {
    /// The port where none is asked for.
    static let defaultPort = 4040

    @Option(
        help: ArgumentHelp(
            """
            Where the page is that shows every connection as it happens; at 127.0.0.1 where there is no host. By default \
            at port \(ProxyPageArguments.defaultPort), or at a free one where that is taken; port 0 picks a free one.
            """, valueName: "[host:]port"))
    var page: ListenAddress?

    @Flag(help: "Do not serve that page.")
    var noPage = false

    @Option(
        help: ArgumentHelp(
            "Show the page to whoever knows the token (/lifeline?token=…), and not to this machine alone.",
            valueName: "token"),
        transform: PageToken.parse)
    var pageToken: String?

    @Flag(help: "Show the first 4 KiB of payloads on the page.")
    var showPayloads = false

    func validate() throws {
        guard !noPage || page == nil else { throw ValidationError("--page and --no-page exclude one another") }
    }

    /// What the page shows; `nil` where there is to be none.
    func board(_ redaction: Redaction) -> ConnectionBoard? {
        guard !noPage else { return nil }
        var options = ConnectionBoard.Options()
        options.payloadLimit = showPayloads ? 4096 : 0
        options.redaction = redaction
        return ConnectionBoard(options: options)
    }
}

/// The page of `lifeline proxy`, on a port of its own: what comes to the proxy's port is passed on.
struct ProxyPage: Sendable {
    let board: ConnectionBoard
    let arguments: ProxyPageArguments
    /// What is relayed, from where to where, in a line.
    let subject: String
    let tls: ServerTLS?
    let log: ConnectionLog

    /// Serves the page while something else is done.
    ///
    /// - Parameter body: Is given the page's address; `nil` where there is none, since neither the default port nor a free one
    ///   was to be had. The log says so then.
    /// - Throws: ``WebSocketError`` where the port that was asked for is not to be had.
    func serve(_ body: @Sendable (String?) async -> Void) async throws {
        if let asked = arguments.page {
            do {
                return try await serve(at: asked.address, body)
            } catch let error as WebSocketError where error.code == .listenFailed {
                log.note("there is no page: --page must name an address and a port that are free")
                throw error
            }
        }
        for port in [ProxyPageArguments.defaultPort, 0] {
            do {
                return try await serve(at: .hostname("127.0.0.1", port: port), body)
            } catch let error as WebSocketError where error.code == .listenFailed {
                if port == 0 { log.note("there is no page: " + error.message.visible()) }
            }
        }
        await body(nil)
    }

    private func serve(at address: ServerAddress, _ body: @Sendable (String?) async -> Void) async throws {
        var configuration = WebSocketServerConfiguration()
        configuration.loopCount = 1
        configuration.tls = tls
        // Pages of browsers, which are told nothing that they would wait for.
        configuration.shutdownTimeout = .seconds(1)
        configuration.logger = Logger(label: "lifeline.proxy") { _ in WarningLog(log: log) }
        var server = WebSocketServer(address: address, configuration: configuration)
        var page = ConnectionPage(board: board, token: arguments.pageToken)
        page.subject = subject
        page.mount(on: &server, observes: false)
        let query = arguments.pageToken == nil ? "" : "?token=…"
        try await server.withServer { address in
            await body("\(tls == nil ? "http" : "https")://\(address)/lifeline\(query)")
        }
    }
}
