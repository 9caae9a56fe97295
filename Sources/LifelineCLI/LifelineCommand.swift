import ArgumentParser
import Lifeline
import LifelineTrace

/// The command `lifeline`.
@main
struct LifelineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lifeline",
        abstract: "Serve, connect to, test and trace WebSockets.",
        discussion: """
            Start with the demo: it opens a real connection and draws each step as it happens.

            EXAMPLES
              lifeline demo
              lifeline serve --port 8080
              lifeline connect ws://127.0.0.1:8080/echo
              echo hello | lifeline connect ws://127.0.0.1:8080/echo
              lifeline trace ws://127.0.0.1:8080/echo
              lifeline proxy --listen 9000 --to ws://127.0.0.1:8080

            EXIT STATUS
              0    success
              1    demo: client or server missed a step; replay: an answer differs
              2    no connection: unknown host, connection refused, TLS, port in use
              3    the server refused the opening handshake, or its response was invalid
              4    the connection ended abnormally, or with an unexpected code
              5    connect, trace: a message was sent and nothing was received
                   within --wait or --receive-timeout
              64   the command line is invalid
              65   an input has wrong content: a line of standard input, a
                   script, a recording, a certificate
              66   an input file could not be read
              74   standard output, a recording or a plot could not be written;
                   a reader that closes the pipe early (head) is not an error
              130  SIGINT (Ctrl-C) before the connection was open, or twice; for
                   bench, demo and replay the first one too
              143  the same after SIGTERM
            """,
        version: Version.current,
        subcommands: [
            DemoCommand.self, ServeCommand.self, ConnectCommand.self, TraceCommand.self, DrawCommand.self,
            ProxyCommand.self, ReplayCommand.self, BenchCommand.self,
        ])

    static func main() async {
        System.prepareStandardDescriptors()
        var name = configuration.commandName ?? "lifeline"
        do {
            var command = try parseAsRoot()
            if let subcommand = type(of: command).configuration.commandName, subcommand != name {
                name += " " + subcommand
            }
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            end(nil, name)
        } catch {
            end(error, name)
        }
    }

    /// Ends the process with the status of an error, after printing its message. Also reports output that was lost.
    ///
    /// - Parameter name: The command as it was called, such as `lifeline serve`.
    private static func end(_ error: (any Error)?, _ name: String) -> Never {
        var status = ExitStatus.success
        let options = OutputOptions.standard
        let errors = Terminal.errors(options)
        // A closed pipe is not an error. Other failures to write are reported below.
        if let failure = error as? InputFailure {
            status = failure.status
            errors.print(name + ": " + errors.visible(failure.description))
        } else if let error, !(error is OutputClosed) {
            status = exitCode(for: error)
            // The message repeats the command line, which may have secrets.
            let message = status == .validationFailure ? Redaction()(fullMessage(for: error)) : fullMessage(for: error)
            // Help and version go to standard output, since they are not errors.
            if !message.isEmpty { (status.isSuccess ? Terminal.output(options) : errors).print(message) }
        }
        if let (output, reason) = Terminal.failure {
            errors.print("\(name): \(output) could not be written: \(reason); the output is incomplete")
            if status.isSuccess { status = ExitStatus.outputFailed }
        }
        exit(withError: status)
    }
}
