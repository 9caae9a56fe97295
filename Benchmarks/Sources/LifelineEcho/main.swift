import EchoServerSupport
import Lifeline
import Logging
import Synchronization

#if canImport(Glibc)
import Glibc
#endif

/// Echoes on the event loop, from where the message lies.
struct OnLoopEcho: OnLoopHandler {
    func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {
        socket.send(message)
    }
}

/// Looks on, and counts what it is told; payloads it does not want to see.
final class EventCounter: LifecycleObserver {
    private let count = Atomic(0)

    var payloadLimit: Int { 0 }

    func observe(_ event: LifecycleEvent) {
        count.wrappingAdd(1, ordering: .relaxed)
    }
}

let options = EchoServerOptions(flags: ["--nio", "--epoll", "--io-uring", "--observed"])
var configuration = WebSocketServerConfiguration()
configuration.loopCount = options.loops
if options.flags.contains("--nio") { configuration.engine = .nio }
if options.flags.contains("--epoll") { configuration.engine = .epoll }
if options.flags.contains("--io-uring") { configuration.engine = .ioUring }
configuration.endpoint.maximumMessageSize = 16 << 20
configuration.endpoint.maximumFrameSize = 16 << 20
configuration.logger.logLevel = .error
// What it costs to be looked at.
if options.flags.contains("--observed") { configuration.observers = [EventCounter()] }

var server = WebSocketServer(
    address: .hostname("127.0.0.1", port: options.port), configuration: configuration)
server.onListening = { address in announce(port: address.port ?? 0) }
server.routeOnLoop("/on-loop") { _ in OnLoopEcho() }
// The async face as it is fastest: borrowed messages.
server.route("/echo") { socket in
    while try await socket.receive({ socket.enqueue($0) }) != nil {}
}
// The async face as it is most convenient: owned messages.
server.route("/messages") { socket in
    for try await message in socket { try await socket.send(message) }
}
// What arrives on one connection goes to all, from loop to connection and from task to connection.
server.routeOnLoop("/push/on-loop") { _ in OnLoopPush() }
let push = Push()
server.route("/push") { [push] socket in try await push.serve(socket) }
// Not at the top level: that would end the main thread, which instruction counters take badly.
let running = Task.detached { [server] in try await server.run() }
while true { pause() }
