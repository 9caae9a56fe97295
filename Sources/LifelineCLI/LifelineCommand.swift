import ArgumentParser

/// The command `lifeline`.
@main
struct LifelineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lifeline",
        abstract: "WebSockets, from the first byte of the handshake to the end of TCP.",
        discussion: """
            Begin with the demo: it opens a real connection, and draws its life as it happens.

            EXAMPLES
              lifeline demo
              lifeline serve --port 8080
              lifeline connect ws://127.0.0.1:8080/echo
              echo hello | lifeline connect ws://127.0.0.1:8080/echo
              lifeline trace ws://127.0.0.1:8080/echo
              lifeline proxy --listen 9000 --to ws://127.0.0.1:8080

            EXIT STATUS
              0    everything went as it should
              1    demo: a step was not seen by both sides; replay: an answer differs
              2    no connection: unknown name, nobody listens, TLS, port in use
              3    the server refused the opening handshake, or answered wrongly
              4    the connection ended abnormally, or with an unexpected code
              64   the command line cannot be used
              65   a line of standard input could not be sent, a file not be read
              130  interrupted before the connection was open, or twice
            """,
        version: version,
        subcommands: [
            DemoCommand.self, ServeCommand.self, ConnectCommand.self, TraceCommand.self, DrawCommand.self,
            ProxyCommand.self, ReplayCommand.self, BenchCommand.self,
        ])

    /// The version of the command and of the library.
    static let version = "0.1.0"

    static func main() async {
        System.prepareStandardDescriptors()
        await main(nil)
    }
}
