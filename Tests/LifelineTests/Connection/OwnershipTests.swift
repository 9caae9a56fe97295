import LifelineCore
import LifelineTesting
import NIOCore
import Testing

@testable import Lifeline

/// The loop owns its connections: what others keep of them holds nothing of the loop's.
@Suite("Ownership of connections") struct OwnershipTests {
    private static let text = String(repeating: "what compresses well, and then some; ", count: 40)

    /// Values kept by the application, which outlive their connections.
    private final class Kept: @unchecked Sendable {
        var sockets: [WebSocket] = []
        var onLoop: [OnLoopWebSocket] = []
    }

    /// An echo on the loop that is kept with its socket.
    private final class KeptEcho: OnLoopHandler {
        let kept: Kept

        init(_ kept: Kept) {
            self.kept = kept
        }

        func opened(_ socket: OnLoopWebSocket) {
            kept.onLoop.append(socket)
        }

        func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {
            socket.send(message, compress: .always)
        }
    }

    @Test("A connection returns its compression memory at its end, although its sockets are kept")
    func memoryIsReturnedAtTheEnd() throws {
        let budget = CompressionBudget(limit: 1 << 20)
        let kept = Kept()
        let simulation = Simulation {
            $0.endpoint.compression?.budget = budget
        } routes: { routes in
            routes.route("/task") { socket in
                kept.sockets.append(socket)
                for try await message in socket { try await socket.send(message, compress: .always) }
            }
            routes.routeOnLoop("/loop") { KeptEcho(kept) }
        }
        simulation.offersCompression = true
        for number in 0..<200 {
            let socket = try simulation.open(number.isMultiple(of: 2) ? "/task" : "/loop") {
                $0.endpoint.compression?.budget = CompressionBudget(limit: 1 << 30)
            }
            kept.sockets.append(socket)
            #expect(socket.handshake.compression != nil, "connection \(number) has agreed on compression")
            let answer = try simulation.value {
                try await socket.send(Self.text, compress: .always)
                let answer = try await socket.receiveCopy()
                try await socket.close()
                return answer
            }
            #expect(answer == .text(Self.text))
        }
        simulation.run()
        #expect(kept.sockets.count == 300 && kept.onLoop.count == 100)
        #expect(simulation.livingConnections.isEmpty)
        // What is left is what the loop keeps to use again: four of each kind at most.
        #expect(budget.bytesInUse <= 8 * 64 << 10, "\(budget.bytesInUse)")
    }

    @Test(
        "An ended connection gives out its outcome and the messages that had arrived",
        arguments: Simulation.Place.allCases)
    func anEndedConnectionGivesOutWhatHadArrived(
        place: Simulation.Place
    ) throws {
        let (simulation, socket, server) = try ReceivingTests.client()
        // One message is received, three are not.
        for text in ["one", "two", "three", "four"] { server.send(WireFrame.text(text).unmasked) }
        simulation.run()
        #expect(try simulation.value(place) { try await socket.receiveCopy() } == .text("one"))
        server.send(WireFrame.close(4001).unmasked)
        server.end()
        simulation.advance(by: .seconds(20))
        #expect(simulation.livingConnections.isEmpty)

        #expect(try simulation.value(place) { await socket.outcome }?.code == CloseCode(rawValue: 4001))
        #expect(try simulation.value(place) { try await socket.close() }.code == CloseCode(rawValue: 4001))
        _ = try simulation.value(place) { await (socket.roundTripTime, socket.compressionStatistics) }
        #expect(simulation.error(place, of: { try await socket.send("late") })?.code == .closed)
        #expect(simulation.error(place, of: { try await socket.send(ByteBuffer(string: "late")) })?.code == .closed)
        #expect(simulation.error(place, of: { try await socket.send(PreparedMessage("late")) })?.code == .closed)
        #expect(simulation.error(place, of: { try await socket.waitUntilWritable() })?.code == .closed)
        #expect(simulation.error(place, of: { try await socket.ping() })?.code == .closed)
        // What had arrived is still there, in its order, before the end.
        #expect(try simulation.value(place) { try await socket.receiveCopy() } == .text("two"))
        let chunk = try simulation.value(place) {
            for try await message in socket.incoming {
                for try await chunk in message { return String(buffer: chunk) }
            }
            return "none"
        }
        #expect(chunk == "three")
        let rest = simulation.start(place) {
            var rest: [WebSocketMessage] = []
            do {
                for try await message in socket { rest.append(message) }
            } catch let error as WebSocketError {
                #expect(rest == [.text("four")])
                throw error
            }
        }
        simulation.run()
        #expect(rest.error?.code == .closed && rest.error?.outcome?.code == CloseCode(rawValue: 4001))
    }

    @Test("An on-loop send after the end returns .closed")
    func anOnLoopSendAfterTheEndIsRefused() throws {
        let kept = Kept()
        let simulation = Simulation { routes in routes.routeOnLoop { KeptEcho(kept) } }
        let client = simulation.openRawClient()
        client.transport.reset()
        simulation.run()
        simulation.expectNothingLeft()
        let socket = try #require(kept.onLoop.first)
        #expect(socket.send("late") == .closed)
        #expect(socket.send(binary: [1, 2, 3].span.bytes) == .closed)
        #expect(socket.send(PreparedMessage("late")) == .closed)
        #expect(!socket.isWritable)
        #expect(socket.compressionStatistics == CompressionStatistics())
        try socket.close()
        #expect(socket.webSocket.enqueue(PreparedMessage("late")) == .closed)
    }
}
