// A message to and fro on one connection with the library's client: how long it takes, beside what EchoLoad, which is written in
// C, measures of the same server.
//
//   LifelinePingPong --url ws://127.0.0.1:PORT/ [--engine automatic|nio|epoll|io_uring] [--face on-loop|async]
//                    [--size BYTES] [--warmup SECONDS] [--duration SECONDS]
//
// Prints one JSON object.

import Lifeline
import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

func stop(_ message: String) -> Never {
    var line = "LifelinePingPong: \(message)\n"
    line.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    exit(2)
}

struct Options: Sendable {
    var url = ""
    var engine = WebSocketEngine.automatic
    var isOnLoop = true
    var size = 64
    var warmup = 0.5
    var duration = 2.0

    init(_ arguments: [String]) {
        var rest = arguments[...]
        while let option = rest.popFirst() {
            guard let value = rest.popFirst() else { stop("\(option) needs a value") }
            switch (option, value) {
            case ("--url", _): url = value
            case ("--engine", "automatic"): engine = .automatic
            case ("--engine", "nio"): engine = .nio
            case ("--engine", "epoll"): engine = .epoll
            case ("--engine", "io_uring"): engine = .ioUring
            case ("--face", "on-loop"): isOnLoop = true
            case ("--face", "async"): isOnLoop = false
            case ("--size", _): size = Options.number(option, value)
            case ("--warmup", _): warmup = Options.number(option, value)
            case ("--duration", _): duration = Options.number(option, value)
            default: stop("\(option) \(value) is not understood")
            }
        }
        guard !url.isEmpty else { stop("--url is needed") }
    }

    private static func number<Number: LosslessStringConvertible & Comparable & ExpressibleByIntegerLiteral>(
        _ option: String, _ text: String
    ) -> Number {
        guard let number = Number(text), number >= 0 else { stop("\(option) must be a number, not \(text)") }
        return number
    }
}

/// How long each message took; the first ones, while all becomes warm, are not counted.
struct Times: Sendable {
    private var nanoseconds: [Int64] = []
    private let clock = ContinuousClock()
    private let begin: ContinuousClock.Instant
    let end: ContinuousClock.Instant
    private var sent: ContinuousClock.Instant

    init(_ options: Options) {
        sent = clock.now
        begin = sent + .seconds(options.warmup)
        end = begin + .seconds(options.duration)
        nanoseconds.reserveCapacity(1 << 20)
    }

    mutating func noteSending() {
        sent = clock.now
    }

    /// - Returns: Whether to go on.
    mutating func noteEcho() -> Bool {
        let now = clock.now
        if sent >= begin {
            let (seconds, attoseconds) = (now - sent).components
            nanoseconds.append(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
        }
        return now < end
    }

    func show(_ options: Options) {
        guard !nanoseconds.isEmpty else { stop("nothing came back") }
        let sorted = nanoseconds.sorted()
        func percentile(_ percent: Int) -> Double { Double(sorted[(sorted.count - 1) * percent / 100]) / 1000 }
        print(
            "{\"engine\": \"\(options.engine)\", \"face\": \"\(options.isOnLoop ? "on-loop" : "async")\", "
                + "\"messages\": \(sorted.count), \"latency_p50_us\": \(percentile(50)), \"latency_p99_us\": \(percentile(99))}"
        )
    }
}

final class PingPong: OnLoopHandler, @unchecked Sendable {
    private let payload: [UInt8]
    // Touched on the connection's loop alone, and after its end.
    private(set) var times: Times

    init(_ options: Options) {
        payload = [UInt8](repeating: 0x2A, count: options.size)
        times = Times(options)
    }

    func opened(_ socket: OnLoopWebSocket) {
        send(on: socket)
    }

    func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {
        guard message.count == payload.count else { stop("\(message.count) bytes came back") }
        if times.noteEcho() { send(on: socket) } else { try? socket.close() }
    }

    private func send(on socket: OnLoopWebSocket) {
        times.noteSending()
        let payload = payload
        socket.send(binary: payload.span.bytes)
    }
}

/// With a handler on the loop.
func playOnLoop(_ options: Options, _ configuration: WebSocketClientConfiguration) async throws -> Times {
    let pingPong = PingPong(options)
    _ = try await WebSocketClient.connectOnLoop(to: options.url, configuration: configuration) { _ in pingPong }
    return pingPong.times
}

/// With an asynchronous handler that runs on the connection's loop, as those of servers do.
func playAsync(_ options: Options, _ configuration: WebSocketClientConfiguration) async throws -> Times {
    var configuration = configuration
    configuration.handlesOnLoop = true
    return try await WebSocketClient.connect(to: options.url, configuration: configuration) { socket in
        let payload = ByteBuffer(repeating: 0x2A, count: options.size)
        var times = Times(options)
        repeat {
            times.noteSending()
            try await socket.send(payload)
            let received = try await socket.receive { message in message.count }
            guard received == options.size else { stop("something else came back") }
        } while times.noteEcho()
        return times
    }
}

let options = Options(Array(CommandLine.arguments.dropFirst()))
var configuration = WebSocketClientConfiguration()
configuration.engine = options.engine
configuration.endpoint.compression = nil
configuration.endpoint.heartbeat.interval = nil
let play = options.isOnLoop ? playOnLoop : playAsync
try await play(options, configuration).show(options)
