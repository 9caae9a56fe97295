import NIOCore
import Testing

@testable import Lifeline

/// Clients without manners over real sockets: each gets its answer, and a bystander notices nothing.
@Suite("Hostile clients over sockets", .tags(.sockets), .offThePool, .timeLimit(.minutes(3)))
struct HostileClientTests {
    static func server(_ configure: (inout WebSocketServerConfiguration) -> Void = { _ in }) -> WebSocketServer {
        var server = WebSocketServer.forTests {
            $0.endpoint.handshakeTimeout = .seconds(2)
            configure(&$0)
        }
        server.route("/echo", handler: echo)
        server.respond(at: "/health") { _ in .text("fine") }
        return server
    }

    // MARK: Opening handshake

    @Test(
        "§4.2.1 a bad request is answered with its status",
        arguments: [
            ("other origin", HandshakeText.request("/echo").adding("Origin: https://evil.example"), 403),
            ("nowhere", HandshakeText.request("/nowhere"), 404),
            ("version", HandshakeText.request("/echo").replacing("Sec-WebSocket-Version", with: "8"), 426),
            ("no upgrade", HandshakeText.page("/echo"), 426),
            ("two keys", HandshakeText.request("/echo").adding("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), 400),
            ("no host", HandshakeText.request("/echo").without("Host"), 400),
            ("half a head", HandshakeText(startLine: "GET /echo", fields: []), 400),
            ("smuggling", HandshakeText.page("/health").adding("Transfer-Encoding: chunked", "Content-Length: 5"), 400),
            (
                "one large field", HandshakeText.page("/health").adding("X: " + String(repeating: "y", count: 65_536)),
                431
            ),
            (
                "many fields", HandshakeText(startLine: "GET /health HTTP/1.1", fields: (0..<200).map { "X\($0): y" }),
                431
            ),
            (
                "many commas",
                HandshakeText.request("/echo").adding(
                    "Sec-WebSocket-Protocol: " + String(repeating: ",", count: 10_000)),
                400
            ),
        ])
    func aBadRequestIsAnswered(name: String, request: HandshakeText, status: Int) async throws {
        try await Self.server().withBystander { address in
            let client = try await RawSocket.connect(to: address)
            client.send(request)
            let head = await client.takeHead()
            #expect(head.hasPrefix("HTTP/1.1 \(status) "), "\(name): \(head)")
            await client.close()
        }
    }

    @Test(
        "Bytes that are not a request end the connection",
        arguments: [
            ("a TLS ClientHello", [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xFC, 0x03, 0x03] as [UInt8]),
            ("HTTP/2", Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)), ("binary", SplitMix64(seed: 4).prefix(4096)),
            ("zeros", Array(repeating: 0, count: 100_000)), ("nothing", []),
            ("half a head", Array("GET /echo HTTP/1.1\r\nHo".utf8)),
            ("line breaks", Array(repeating: 0x0A, count: 50_000)),
        ])
    func bytesThatAreNoRequestEndTheConnection(name: String, bytes: [UInt8]) async throws {
        try await Self.server().withBystander { address in
            let client = try await RawSocket.connect(to: address)
            client.send(bytes)
            await client.ended()
            await client.close()
        }
    }

    @Test("Requests that trickle in are ended at the handshake deadline")
    func slowRequestsTimeOut() async throws {
        try await Self.server().withBystander { address in
            var clients: [RawSocket] = []
            for _ in 0..<20 { clients.append(try await RawSocket.connect(to: address)) }
            let bytes = HandshakeText.request("/echo").bytes
            for byte in bytes.prefix(8) {
                for client in clients { client.send([byte]) }
                try await Task.sleep(for: .milliseconds(10))
            }
            for client in clients {
                await client.ended()
                await client.close()
            }
        }
    }

    @Test("RFC 9112 §9.3 an ordinary request and an upgrade can share a connection")
    func aPageAndThenAnUpgrade() async throws {
        try await Self.server().withBystander { address in
            let client = try await RawSocket.connect(to: address)
            client.send(
                HandshakeText.page("/health").bytes + HandshakeText.request("/echo").bytes
                    + WireFrame.text("early").bytes)
            #expect(await client.takeHead().hasPrefix("HTTP/1.1 200 "))
            await client.wait { String(decoding: $0, as: UTF8.self).hasSuffix("early") }
            #expect(client.text.hasPrefix("fine\nHTTP/1.1 101 ") || client.text.hasPrefix("fineHTTP/1.1 101 "))
            await client.close()
        }
    }

    // MARK: Frames

    @Test(
        "§7.1.7 a violation is answered with its close code, and ends the connection without a reset",
        arguments: [
            ("unmasked", WireFrame.text("hello").unmasked, 1002),
            ("reserved bits", WireFrame.client(1, reserved: 4, []), 1002),
            ("reserved opcode", WireFrame.client(3, []), 1002),
            ("long ping", WireFrame.client(9, Array(repeating: 0, count: 126)), 1002),
            ("fragmented ping", WireFrame.ping().unfinished, 1002),
            ("continuation", WireFrame.continuation("of what?"), 1002),
            ("2⁶³", WireFrame.client(2, [], declaredLength: 1 << 63), 1002),
            ("2⁶³ − 1", WireFrame.client(2, [], declaredLength: (1 << 63) - 1), 1009),
            ("over the limit", WireFrame.client(2, [], declaredLength: (1 << 20) + 1), 1009),
            ("no UTF-8", WireFrame.client(1, [0xC0, 0x80]), 1007),
            ("bad close code", WireFrame.close(1005), 1002),
            ("close with one byte", WireFrame.client(8, [3]), 1002),
        ])
    func aViolationIsAnswered(name: String, frame: WireFrame, code: UInt16) async throws {
        try await Self.server().withBystander { address in
            let client = try await RawSocket.connect(to: address)
            client.send(.request("/echo"))
            _ = await client.takeHead()
            client.send(frame)
            client.send(.text("what comes behind it is ignored"))
            let answer = try await client.takeFrames(1)
            #expect(answer.map(\.closeCode) == [code], "\(name)")
            await client.ended()
            #expect(!client.wasReset, "a reset could overtake the Close frame")
            await client.close()
        }
    }

    @Test("§10.4 endless empty fragments are answered with 1008")
    func endlessEmptyFragmentsAreRefused() async throws {
        try await Self.server().withBystander { address in
            let client = try await RawSocket.connect(to: address)
            client.send(.request("/echo"))
            _ = await client.takeHead()
            client.send(WireFrame.text("").unfinished.bytes)
            let fragment = WireFrame.continuation("").unfinished.bytes
            for _ in 0..<20 { client.send(Array(repeatElement(fragment, count: 1000).joined())) }
            #expect(try await client.takeFrames(1).map(\.closeCode) == [1008])
            await client.close()
        }
    }

    @Test("A client that never reads does not hold up the other connections")
    func aClientThatNeverReadsHoldsUpNobody() async throws {
        let mayEnd = Gate()
        var server = Self.server()
        server.route("/flood") { socket in
            do { while true { try await socket.send([UInt8](repeating: 1, count: 10_000)) } } catch { mayEnd.open() }
        }
        try await server.withBystander { address in
            let client = try await RawSocket.connect(to: address)
            try await client.setReading(false)
            client.send(.request("/flood"))
            try await WebSocketClient.connect(to: "ws://\(address)/echo") { try await expectAlive($0) }
            await client.close()
            try await mayEnd.wait()
        }
    }

    @Test("§5.5.3 a flood of Pings from a client that does not read is answered when it reads again")
    func unreadPongsAreBounded() async throws {
        try await Self.server().withBystander { address in
            let client = try await RawSocket.connect(to: address)
            client.send(.request("/echo"))
            _ = await client.takeHead()
            try await client.setReading(false)
            let pings = Array(repeatElement(WireFrame.ping("0123456789").bytes, count: 1000).joined())
            for _ in 0..<100 { client.send(pings) }
            client.send(.close(1000))
            try await client.setReading(true)
            await client.ended()
            let frames = try WireFrame.parse(client.bytes)
            #expect(frames.last?.closeCode == 1000)
            #expect(frames.dropLast().allSatisfy { $0.opcode == 0xA })
            await client.close()
        }
    }

    @Test("A reset at any stage of the handshake does not affect other connections")
    func resetsAffectNobody() async throws {
        let bytes = HandshakeText.request("/echo").bytes + WireFrame.text("hello").bytes
        try await Self.server().withBystander { address in
            for count in stride(from: 0, through: bytes.count, by: 23) {
                let client = try await RawSocket.connect(to: address)
                client.send(Array(bytes.prefix(count)))
                try await client.reset()
            }
        }
    }
}
