import ArgumentParser
import Foundation
import Lifeline
import LifelineCore
import Logging

/// Opens and ends many short connections at once, from tasks on any thread.
///
/// A connection is freed where its last owner lets go of it, while its loop works on others that share its memory: the
/// compression streams, the buffers, the budget. That has to be so that nobody can tell, however the connection ended; a
/// mistake ends the process, or has a message come back as another one.
struct Churn: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Open and end many short connections at once.",
        discussion: """
            Each connection compresses, and ends in one of several ways. Without a URL, the server is in this process. Ends \
            with 1 where a message did not come back, a connection failed, or memory for compression was not given back.
            """)

    @Argument(help: "The URL of a server that echoes; by default there is one in this process.")
    var url: String?

    @Option(help: "How many connections each worker opens, one after another.")
    var rounds = 50

    @Option(help: "How many workers there are at once.")
    var workers = 16

    func validate() throws {
        guard rounds > 0, workers > 0 else { throw ValidationError("--rounds and --workers must be more than 0") }
    }

    func run() async throws {
        let budget = CompressionBudget(limit: 256 << 20)
        let failures: [String]
        if let url {
            failures = await work([url], budget)
        } else {
            var configuration = WebSocketServerConfiguration()
            configuration.logger = Logger(label: "quiet") { _ in SwiftLogNoOpLogHandler() }
            configuration.endpoint.compression?.budget = budget
            var server = WebSocketServer(address: .hostname("127.0.0.1", port: 0), configuration: configuration)
            server.route("/async") { try await $0.echo(compress: .always) }
            server.routeOnLoop("/on-loop") { _ in OnLoopEcho(compress: .always) }
            failures = try await server.withServer { address in
                await work(["ws://\(address)/async", "ws://\(address)/on-loop"], budget)
            }
        }
        for failure in failures { print(failure) }
        let kept = await keptSize(of: budget)
        let isBounded = kept <= maximumKeptSize
        if !isBounded { print("\(kept) bytes for compression are kept, of at most \(maximumKeptSize)") }
        print("\(rounds * workers - failures.count) of \(rounds * workers) connections as they should be")
        throw failures.isEmpty && isBounded ? ExitCode.success : ExitCode.failure
    }

    /// Opens all connections, and says what went wrong with which.
    private func work(_ urls: [String], _ budget: CompressionBudget) async -> [String] {
        await withTaskGroup { group in
            for worker in 0..<workers {
                group.addTask {
                    var failures: [String] = []
                    for round in 0..<rounds {
                        let number = worker &* 7 &+ round
                        let connection = ShortConnection(
                            url: urls[number % urls.count], budget: budget,
                            end: ShortConnection.End.allCases[number / urls.count % ShortConnection.End.allCases.count])
                        do {
                            try await connection.run()
                        } catch {
                            failures.append("worker \(worker), round \(round), \(connection.end): \(error)")
                        }
                    }
                    return failures
                }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
    }

    /// What loops may keep for connections to come: a few compressors and decompressors each.
    private var maximumKeptSize: Int { (1 << 20) * ProcessInfo.processInfo.activeProcessorCount }

    /// What is in use of a budget, once loops have given back what connections had; they have ten seconds for that.
    private func keptSize(of budget: CompressionBudget) async -> Int {
        for _ in 0..<1000 where budget.bytesInUse > maximumKeptSize { try? await Task.sleep(for: .milliseconds(10)) }
        return budget.bytesInUse
    }
}

/// A connection that sends a few messages, takes them back, and ends.
private struct ShortConnection {
    /// How it ends.
    enum End: CaseIterable {
        /// Its scope is left.
        case returned
        /// It is closed inside its scope.
        case closed
        /// Its scope is left by an error.
        case threw
        /// Its task is cancelled while it waits for a message.
        case cancelled
        /// Messages are on their way in both directions, and nobody waits for them.
        case unread
        /// Somebody still has it, and asks it things, from another task.
        case kept
    }

    /// Why a scope is left.
    private struct Leaving: Error {}

    /// What should not have been.
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    private static let text = String(repeating: "a line that compresses quite well, and then some; ", count: 40)

    let url: String
    let budget: CompressionBudget
    let end: End

    func run() async throws {
        var configuration = WebSocketClientConfiguration()
        configuration.endpoint.compression?.budget = budget
        switch end {
        case .returned:
            try await connect(configuration) { _ in }
        case .closed:
            try await connect(configuration) { socket in
                let outcome = try await socket.close(code: .normalClosure, reason: "enough")
                guard outcome.isClean else { throw Failure(description: "\(outcome)") }
            }
        case .threw:
            do {
                try await connect(configuration) { _ in throw Leaving() }
                throw Failure(description: "the error was lost")
            } catch is Leaving {}
        case .cancelled:
            try await cancel(configuration)
        case .unread:
            try await connect(configuration) { socket in
                let message = PreparedMessage(.text(Self.text))
                for _ in 0..<8 { socket.enqueue(message) }
            }
        case .kept:
            try await keep(configuration)
        }
    }

    // Where this is inlined, the optimiser of Swift 6.3.1 crashes ("While splitting coroutine").
    @inline(never)
    private func connect(
        _ configuration: WebSocketClientConfiguration, _ ending: @Sendable (WebSocket) async throws -> Void
    ) async throws {
        try await WebSocketClient.connect(to: url, configuration: configuration) { socket in
            for _ in 0..<3 {
                try await socket.send(Self.text)
                guard try await socket.receive({ $0.text }) == Self.text else {
                    throw Failure(description: "another message came back than was sent")
                }
            }
            try await ending(socket)
        }
    }

    private func cancel(_ configuration: WebSocketClientConfiguration) async throws {
        let (opened, open) = AsyncStream.makeStream(of: Void.self)
        let task = Task {
            defer { open.finish() }
            try await connect(configuration) { socket in
                open.yield()
                _ = try await socket.receive { $0.count }
                throw Failure(description: "a message came back that was not sent")
            }
        }
        for await _ in opened { break }
        task.cancel()
        do {
            try await task.value
        } catch let error as WebSocketError where error.code == .cancelled {}
    }

    private func keep(_ configuration: WebSocketClientConfiguration) async throws {
        let (sockets, give) = AsyncStream.makeStream(of: WebSocket.self)
        async let statistics = asked(sockets)
        try await connect(configuration) { socket in
            give.yield(socket)
            give.finish()
        }
        guard let statistics = await statistics, statistics.sentWireBytes < statistics.sentBytes else {
            throw Failure(description: "nothing was compressed")
        }
    }

    /// What the last of some connections says of itself, when it has been asked while it ended and after it.
    private func asked(_ sockets: AsyncStream<WebSocket>) async -> CompressionStatistics? {
        var statistics: CompressionStatistics?
        for await socket in sockets {
            while await socket.outcome == nil { _ = await socket.roundTripTime }
            statistics = await socket.compressionStatistics
        }
        return statistics
    }
}
