// Counts how often a server allocates memory for a message, once it has got going, and ends with 1 where that is more
// than is allowed, on any engine with any face, and the same of the core by itself: reading frames, unmasking, checking
// UTF-8, writing. What is allowed stands with the kinds of traffic below; --most N allows as
// many for each.
//
// Server and client are in one process; the client allocates nothing.

import CAllocationCheck
import Lifeline
import Logging
import Synchronization

#if canImport(Glibc)
import Glibc

/// Echoes on the event loop, from where the message lies.
struct OnLoopEcho: OnLoopHandler {
    func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {
        socket.send(message)
    }
}

/// A kind of traffic, and how much of it to count.
struct Traffic {
    let name: String
    let size: Int
    var inFlight = 1
    let messages: Int
    /// The most allocations a message. Short messages have none but for what an engine takes now and then; what is too
    /// large for the buffers that are kept may have one to lie in and one to leave from.
    let most: Double

    static let all = [
        Traffic(name: "64 B", size: 64, messages: 10_000, most: 0.1),
        Traffic(name: "64 B, 16 in flight", size: 64, inFlight: 16, messages: 20_000, most: 0.1),
        Traffic(name: "16 KiB", size: 16 << 10, messages: 4_000, most: 2.1),
        Traffic(name: "1 MiB", size: 1 << 20, messages: 200, most: 2.1),
    ]
}

/// What became of starting a server.
enum Start: Sendable {
    case listening(port: Int)
    case failed(String)
}

/// Starts a server and waits until it listens; it runs as long as the process does.
func start(_ engine: WebSocketEngine) -> Start {
    var configuration = WebSocketServerConfiguration()
    configuration.loopCount = 1
    configuration.engine = engine
    configuration.endpoint.maximumMessageSize = 16 << 20
    configuration.endpoint.maximumFrameSize = 16 << 20
    configuration.logger.logLevel = .error
    var server = WebSocketServer(address: .hostname("127.0.0.1", port: 0), configuration: configuration)
    server.routeOnLoop("/on-loop") { _ in OnLoopEcho() }
    server.route("/async") { socket in
        while try await socket.receive({ socket.enqueue($0) }) != nil {}
    }

    let result = Mailbox()
    server.onListening = { result.put(.listening(port: $0.port ?? 0)) }
    Task.detached { [server] in
        do { try await server.run() } catch { result.put(.failed("\(error)")) }
    }
    return result.take()
}

/// A place where one thread waits for what another puts there.
final class Mailbox: Sendable {
    private let content = Mutex<Start?>(nil)

    func put(_ start: Start) {
        self.content.withLock { $0 = $0 ?? start }
    }

    func take() -> Start {
        while true {
            if let start = self.content.withLock({ $0 }) { return start }
            usleep(1_000)
        }
    }
}

/// Allocations per message, after a tenth of the messages has gone to and fro uncounted.
func allocations(for traffic: Traffic, on path: String, port: Int) -> Double {
    let socket = echo_client_open(Int32(port), path)
    defer { echo_client_close(socket) }
    echo_client_exchange(socket, max(traffic.messages / 10, 100), traffic.inFlight, traffic.size)
    let before = allocation_count()
    echo_client_exchange(socket, traffic.messages, traffic.inFlight, traffic.size)
    return Double(allocation_count() - before) / Double(traffic.messages)
}

/// What was given with --most.
func mostGiven() -> Double? {
    let arguments = CommandLine.arguments.dropFirst()
    if arguments.isEmpty { return nil }
    guard arguments.count == 2, arguments.first == "--most", let most = arguments.last.flatMap(Double.init), most >= 0
    else {
        print("USAGE: AllocationCheck [--most ALLOCATIONS-PER-MESSAGE]")
        exit(64)
    }
    return most
}

let given = mostGiven()
var failures = 0

/// Says how many allocations were counted, and notes where they are too many.
@MainActor func report(_ name: String, _ count: Double, most: Double) {
    let most = given ?? most
    let isTooMany = count > most
    if isTooMany { failures += 1 }
    print("\(name): \(count) a message\(isTooMany ? ", more than \(most)" : "")")
}

let core = CoreRun()
for traffic in CoreTraffic.all {
    report("core, \(traffic.name)", core.allocations(for: traffic), most: traffic.most)
}
for (name, engine) in [("NIO", WebSocketEngine.nio), ("epoll", .epoll), ("io_uring", .ioUring)] {
    let port: Int
    switch start(engine) {
    case .listening(let found): port = found
    case .failed(let reason):
        print("\(name): not measured: \(reason)")
        continue
    }
    for face in ["on-loop", "async"] {
        for traffic in Traffic.all {
            let count = allocations(for: traffic, on: "/\(face)", port: port)
            report("\(name), \(face), \(traffic.name)", count, most: traffic.most)
        }
    }
}
exit(failures == 0 ? 0 : 1)
#else
print("AllocationCheck: replaces glibc's allocator, which this system has not")
#endif
