import ArgumentParser
import Lifeline
import LifelineTrace

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
              5    connect, trace: something was sent, and nothing was answered
                   within --wait or --receive-timeout
              64   the command line cannot be used
              65   a line of standard input could not be sent, a file not be read,
                   a recording not be begun
              74   standard output, a recording or a picture could not be written;
                   not where its reader has gone (as head), which is no error
              130  interrupted before the connection was open, or twice
            """,
        version: Version.current,
        subcommands: [
            DemoCommand.self, ServeCommand.self, ConnectCommand.self, TraceCommand.self, DrawCommand.self,
            ProxyCommand.self, ReplayCommand.self, BenchCommand.self,
        ])

    static func main() async {
        System.prepareStandardDescriptors()
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            end(nil)
        } catch {
            end(error)
        }
    }

    /// Ends the process: with the status that an error calls for, and what is to be said about it, if any; and with a word where
    /// something that was written is lost.
    private static func end(_ error: (any Error)?) -> Never {
        var status = ExitStatus.success
        let options = OutputOptions.standard
        let errors = Terminal.errors(options)
        // A reader that has gone is an end, and what could not be written for another reason is told of below.
        if let error, !(error is OutputClosed) {
            status = exitCode(for: error)
            // What was written on a command line that cannot be used is repeated in the message.
            let message = status == .validationFailure ? Redaction()(fullMessage(for: error)) : fullMessage(for: error)
            // Help and the version are what was asked for.
            if !message.isEmpty { (status.isSuccess ? Terminal.output(options) : errors).print(message) }
        }
        if let (name, reason) = Terminal.failure {
            errors.print("lifeline: \(name) could not be written: \(reason); what was to stand there is lost")
            if status.isSuccess { status = ExitStatus.outputFailed }
        }
        exit(withError: status)
    }
}
