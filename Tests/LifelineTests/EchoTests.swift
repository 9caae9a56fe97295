import Lifeline
import LifelineCore
import NIOCore
import Testing

@Suite("Echo over TCP")
struct EchoTests {
    @Test func textAndBinary() async throws {
        var server = WebSocketServer(address: .hostname("127.0.0.1", port: 0))
        server.route("/echo") { socket in
            for try await message in socket { try await socket.send(message) }
        }
        server.routeOnLoop("/loop") { _ in Echo() }
        try await server.withServer { address in
            for path in ["/echo", "/loop"] {
                try await WebSocketClient.connect(to: "ws://\(address)\(path)") { socket in
                    try await socket.send("hello")
                    #expect(try await socket.receive { $0.text } == "hello")
                    try await socket.send([1, 2, 3])
                    var iterator = socket.makeAsyncIterator()
                    #expect(try await iterator.next() == .binary([1, 2, 3]))
                    let big = ByteBuffer(repeating: 7, count: 900_000)
                    try await socket.send(big)
                    #expect(try await iterator.next() == .binary(big))
                    let rtt = try await socket.ping()
                    #expect(rtt > .zero)
                    let outcome = try await socket.close(code: .normalClosure, reason: "bye")
                    #expect(outcome.isClean, "\(outcome)")
                }
            }
        }
    }
}

struct Echo: OnLoopHandler {
    func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {
        socket.send(message)
    }
}
