import ArgumentParser
import Lifeline
import LifelineTrace
import Logging

/// The options of the page of `lifeline proxy`.
struct ProxyPageArguments: ParsableArguments {
    /// The port of the page by default.
    static let defaultPort = 4040

    @Option(
        help: ArgumentHelp(
            """
            The address of the page; the host defaults to 127.0.0.1. By default port \
            \(ProxyPageArguments.defaultPort), or a free one if that is in use. Port 0 picks a free one.
            """, valueName: "[host:]port"))
    var page: ListenAddress?

    @OptionGroup var options: PageOptions

    func validate() throws {
        guard !options.noPage || page == nil else { throw ValidationError("--page and --no-page cannot be combined") }
    }
}

/// The page of `lifeline proxy`. It has a port of its own, since the proxy's port relays every request.
struct ProxyPage: Sendable {
    let page: ConnectionPage
    let arguments: ProxyPageArguments
    let tls: ServerTLSOptions
    let log: ConnectionLog
    let terminal: Terminal

    /// Serves the page while `body` runs.
    ///
    /// - Parameter body: Receives the line that says where the page is, or `nil` if neither the default port nor any
    ///   other was free. The log says why then.
    /// - Throws: ``WebSocketError`` if the port that `--page` names is not free.
    func serve(_ body: @Sendable (String?) async -> Void) async throws {
        if let asked = arguments.page {
            do {
                return try await serve(at: asked.address, body)
            } catch let error as WebSocketError where error.code == .listenFailed {
                log.note("the page is not served: cannot listen on the address of --page")
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
        configuration.tls = tls.configuration
        // Its clients are browsers with the page open, which need no long shutdown.
        configuration.shutdownTimeout = .seconds(1)
        configuration.logger = Logger(label: "lifeline.proxy") { _ in WarningLog(log: log) }
        var server = WebSocketServer(address: address, configuration: configuration)
        page.mount(on: &server, observes: false)
        try await server.withServer { await body(arguments.options.line($0, tls, terminal)) }
    }
}
