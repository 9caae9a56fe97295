import Lifeline
import LifelineCore
import NIOCore

/// What Lifeline's side of a connection does, step by step; the same for clients and for servers.
struct Script {
    /// One thing to do, written `name` or `name:argument`.
    enum Step {
        /// `echo`: sends each message back until the connection ends; `echo:3` only as many.
        case echo(Int)
        /// `echo-chunks:3`: sends as many messages back, each piece as a fragment as soon as it has come.
        case echoChunks(Int)
        /// `receive`: receives a message and reports it.
        case receive
        /// `text-fragments:a,b,c`: sends a text message with a fragment for each part.
        case textFragments([String])
        /// `binary-fragments:70000,0,3`: sends a binary message with fragments of the given sizes.
        case binaryFragments([Int])
        /// `count:100`: sends the numbers from 0 on, as a text message each.
        case count(Int)
        /// `ping`: pings, waits for the Pong and reports the round trip.
        case ping
        /// `close:4000,bye`: runs the closing handshake.
        case close(CloseCode, String)
    }

    let steps: [Step]
    let compress: MessageCompression

    init(_ lines: [String], compress: MessageCompression) throws(ScriptError) {
        var steps: [Step] = []
        for line in lines { steps.append(try Step(line)) }
        self.steps = steps
        self.compress = compress
    }

    /// Goes through the steps, waits for the end, and reports on the way.
    func run(_ socket: WebSocket, _ reporter: Reporter) async {
        reporter.opened(socket.handshake)
        do {
            for step in steps { try await step.run(socket, reporter, compress) }
            for try await _ in socket {}
        } catch let error as WebSocketError where error.code == .closed {
            // The outcome says it all.
        } catch {
            reporter.failed(error)
        }
        if let outcome = await socket.outcome { reporter.ended(outcome, await socket.compressionStatistics) }
    }
}

extension Script.Step {
    init(_ line: String) throws(ScriptError) {
        let parts = line.split(separator: ":", maxSplits: 1).map(String.init)
        let argument = parts.count == 2 ? parts[1] : ""
        switch parts.first {
        case "echo": self = .echo(argument.isEmpty ? .max : try number(argument))
        case "echo-chunks": self = .echoChunks(try number(argument))
        case "receive": self = .receive
        case "text-fragments": self = .textFragments(argument.split(separator: ",").map(String.init))
        case "binary-fragments": self = .binaryFragments(try argument.split(separator: ",").map(number))
        case "count": self = .count(try number(argument))
        case "ping": self = .ping
        case "close":
            let frame = argument.split(separator: ",", maxSplits: 1)
            guard let code = frame.first.flatMap({ UInt16($0) }) else { throw ScriptError(line: line) }
            self = .close(CloseCode(rawValue: code), frame.count == 2 ? String(frame[1]) : "")
        default: throw ScriptError(line: line)
        }

        func number(_ text: some StringProtocol) throws(ScriptError) -> Int {
            guard let number = Int(text), number >= 0 else { throw ScriptError(line: line) }
            return number
        }
    }

    func run(_ socket: WebSocket, _ reporter: Reporter, _ compress: MessageCompression) async throws {
        switch self {
        case .echo(let count): try await socket.echo(count, compress: compress)
        case .echoChunks(let count): try await socket.echoChunks(count, compress: compress)
        case .receive: try await socket.receive { reporter.received($0) }
        case .textFragments(let parts): try await socket.send(textFragments: stream(of: parts), compress: compress)
        case .binaryFragments(let sizes):
            let fragments = stream(of: sizes.map { ByteBuffer(repeating: 0xA5, count: $0) })
            try await socket.send(fragments: fragments, compress: compress)
        case .count(let count):
            for number in 0..<count { try await socket.send("\(number)", compress: compress) }
        case .ping: reporter.answered(after: try await socket.ping())
        case .close(let code, let reason):
            reporter.closing()
            try await socket.close(code: code, reason: reason)
        }
    }

    private func stream<Element: Sendable>(of elements: [Element]) -> AsyncStream<Element> {
        AsyncStream { continuation in
            for element in elements { continuation.yield(element) }
            continuation.finish()
        }
    }
}

/// A step that cannot be read.
struct ScriptError: Error, CustomStringConvertible {
    var line: String
    var description: String { "not a step: \(line)" }
}
