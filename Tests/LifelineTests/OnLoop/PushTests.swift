import NIOCore
import Testing

@testable import Lifeline

/// One message goes to many connections in one turn, the output of which is written, and pushed out, as the turn goes on.
@Suite("Broadcasts over sockets", .tags(.sockets), .offThePoolForMuch, .timeLimit(.minutes(3)))
struct PushTests {
    /// The connections of the only loop, and touched there alone.
    final class Subscribers: @unchecked Sendable {
        var sockets: [OnLoopWebSocket] = []
    }

    /// Sends what it receives to all, itself included, and says how many that were.
    struct Handler: OnLoopHandler {
        let subscribers: Subscribers

        func opened(_ socket: OnLoopWebSocket) {
            subscribers.sockets.append(socket)
        }

        func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {
            for subscriber in subscribers.sockets { subscriber.send(message) }
            socket.send("to \(subscribers.sockets.count)")
        }

        func closed(_ outcome: CloseOutcome, on socket: OnLoopWebSocket) {
            subscribers.sockets.removeAll { $0.webSocket.id == socket.webSocket.id }
        }
    }

    @Test(
        "A message to many connections reaches each of them, although some send or leave meanwhile",
        arguments: [10, 20_000])
    func toMany(size: Int) async throws {
        let count = 80
        var server = WebSocketServer.forTests {
            $0.loopCount = 1
            $0.endpoint.heartbeat.interval = nil
            // Under a sanitizer, beside other tests, ten seconds are not enough for a request to leave.
            $0.endpoint.handshakeTimeout = .seconds(60)
        }
        let subscribers = Subscribers()
        server.routeOnLoop("/") { _ in Handler(subscribers: subscribers) }
        try await server.withServer { address in
            var clients: [RawSocket] = []
            for _ in 0..<count {
                let client = try await RawSocket.connect(to: address)
                client.send(.request("/"))
                // Nobody would push to one that is not there, and what is waited for below would never come.
                try #require(await client.takeHead().hasPrefix("HTTP/1.1 101 "))
                clients.append(client)
            }
            let messages = (0..<5).map { LargeMessageTests.payload(size, seed: $0) }
            for message in messages { clients[0].send(.binary(message)) }
            let pushed = messages.flatMap { WireFrame.binary($0).unmasked.bytes }
            for client in clients.dropFirst() {
                await client.wait { $0.count >= pushed.count }
                let isSame = client.takeBytes(pushed.count) == pushed
                #expect(isSame)
            }
            let first = try await clients[0].takeFrames(2 * messages.count)
            let isSame = first.filter { $0.opcode == 2 }.map(\.payload) == messages
            #expect(isSame)
            #expect(first.filter { $0.opcode == 1 }.allSatisfy { $0.text == "to \(count)" })

            // All at once, while every third goes.
            for (number, client) in clients.enumerated() {
                if number % 3 == 1 { try await client.reset() } else { client.send(.text("\(number)")) }
            }
            let staying = clients.indices.filter { $0 % 3 != 1 }
            for number in staying {
                // One from each that stayed, and the answer to its own.
                let frames = try await clients[number].takeFrames(staying.count + 1)
                let texts = Set(frames.map(\.text).filter { !$0.hasPrefix("to ") })
                #expect(texts == Set(staying.map(String.init)))
                await clients[number].close()
            }
        }
    }
}
