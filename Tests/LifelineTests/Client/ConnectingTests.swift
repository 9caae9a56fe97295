import HTTPTypes
import LifelineCore
import LifelineTesting
import NIOCore
import Testing

@testable import Lifeline

/// A client's way to an open connection, and all that can come between (§4.1).
@Suite("§4.1 clients that connect") struct ConnectingTests {
    /// What a client makes of a server that answers with the given bytes, and perhaps ends.
    static func error(
        _ place: Simulation.Place = .onLoop, whenServer act: @escaping @Sendable (RawPeer) -> Void
    ) -> WebSocketError? {
        let simulation = Simulation { _ in }
        simulation.link.latency = .milliseconds(5)
        let error = simulation.error(place) { try await simulation.connectToRawServer { act($0) } }
        simulation.expectNothingLeft()
        return error
    }

    @Test(
        "A refusal's status, fields and body are in the error",
        arguments: [
            (301, "Location: https://elsewhere.example"), (401, "WWW-Authenticate: Basic"), (404, "X-A: b"),
            (426, "Upgrade: websocket"), (503, "Retry-After: 10"), (200, "X-A: b"),
        ])
    func aRefusalIsInTheError(status: Int, line: String) throws {
        let error = Self.error {
            $0.send("HTTP/1.1 \(status) Some words\r\n\(line)\r\nContent-Length: 4\r\n\r\nbody")
        }
        #expect(error?.code == .handshakeRefused)
        let failure = try #require(error?.handshakeFailure)
        let name = try #require(HTTPField.Name(String(line.prefix { $0 != ":" })))
        #expect(failure.response?.status.code == status)
        #expect(
            failure.response?.headerFields[name] == line.split(separator: " ", maxSplits: 1).last.map(String.init))
        #expect(failure.body == Array("body".utf8))
    }

    @Test("A refusal's body is read to its end, to the end of TCP, to 1 KiB or to the deadline")
    func aRefusalsBodyIsBounded() throws {
        let endless = Self.error { server in
            server.send("HTTP/1.1 404 Not Found\r\n\r\n" + String(repeating: "x", count: 5000))
        }
        #expect(endless?.handshakeFailure?.body.count == 1024)
        let cut = Self.error { server in
            server.send("HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\nhalf")
            server.end()
        }
        #expect(cut?.code == .handshakeRefused)
        #expect(cut?.handshakeFailure?.body == Array("half".utf8))
        let slow = Self.error { $0.send("HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\nhalf") }
        #expect(slow?.code == .handshakeRefused)
        #expect(slow?.handshakeFailure?.body == Array("half".utf8))
    }

    @Test(
        "§4.1 an answer that breaks the rules fails the handshake",
        arguments: [
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\n\r\n", "SSH-2.0-OpenSSH_9.6\r\n\r\n", "\u{16}\u{3}\u{1}",
            "HTTP/1.1 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n" + String(repeating: "X: y\r\n", count: 101) + "\r\n",
            "HTTP/1.1 200 OK\r\nX: " + String(repeating: "y", count: 20_000),
            String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 20),
        ])
    func anAnswerThatBreaksTheRulesFails(answer: String) {
        let error = Self.error { $0.send(answer) }
        #expect(error?.code == .handshakeFailed)
        #expect(error?.handshakeFailure != nil)
    }

    @Test(
        "A server that never answers ends the attempt at the handshake deadline", arguments: Simulation.Place.allCases,
        ["", "HTTP/1.1 101 Swi"])
    func aServerThatNeverAnswersTimesOut(place: Simulation.Place, part: String) {
        let simulation = Simulation { _ in }
        let connecting = simulation.start(place) {
            try await simulation.connectToRawServer { $0.send(part) }
        }
        simulation.advance(by: .seconds(9))
        #expect(!connecting.hasEnded)
        simulation.advance(by: .seconds(2))
        #expect(connecting.error?.code == .handshakeInterrupted)
        #expect(connecting.error?.outcome?.failure == .handshakeTimedOut(after: .seconds(10)))
        simulation.expectNothingLeft()
    }

    @Test("A connection that ends before the answer interrupts the handshake")
    func anEndBeforeTheAnswerInterrupts() {
        #expect(Self.error { $0.end() }?.code == .handshakeInterrupted)
        #expect(
            Self.error {
                $0.send("HTTP/1.1 1")
                $0.end()
            }?.code == .handshakeInterrupted)
        #expect(Self.error { $0.transport.reset() }?.code == .handshakeInterrupted)
    }

    @Test("A cancelled connect throws at once, and leaves nothing behind", arguments: Simulation.Place.allCases, 0..<8)
    func aCancelledConnectLeavesNothing(place: Simulation.Place, milliseconds: Int) throws {
        let simulation = Simulation { $0.route(handler: echo) }
        simulation.link.latency = .milliseconds(2)
        let connecting = simulation.start(place) {
            let socket = try await simulation.connect()
            try await socket.close()
            try Task.checkCancellation()
        }
        if milliseconds > 0 { simulation.advance(by: .milliseconds(milliseconds - 1)) }
        connecting.cancel()
        simulation.run()
        if milliseconds < 5 { #expect(connecting.error?.code == .cancelled, "\(milliseconds) ms") }
        simulation.advance(by: .seconds(1))
        #expect(connecting.hasEnded)
        simulation.expectNothingLeft()
    }

    @Test(
        "A path that may not be sent is refused before a connection is made",
        arguments: ["no-slash", "/a b", "/a\r\nX: y", "/ä", "/#fragment", ""])
    func anInvalidPathIsRefused(path: String) {
        let simulation = Simulation { _ in }
        var random = simulation.engine.makeRandom()
        #expect(throws: HandshakeFailure.self, "\(path)") {
            _ = try ClientHandshake(authority: "server.example.com", path: path, random: &random)
        }
        // With a URL, what is not a path is another host, or a path by itself.
        if path.hasPrefix("/") {
            let attempt = simulation.start { try await simulation.connect(path) }
            simulation.run()
            #expect(attempt.hasEnded && attempt.error?.code == .invalidRequest)
        }
        #expect(simulation.clientTransports.isEmpty)
    }
}
