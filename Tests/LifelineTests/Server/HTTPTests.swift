import HTTPTypes
import LifelineCore
import LifelineTesting
import Testing

@testable import Lifeline

/// Ordinary HTTP on a server's port: bodies, streamed responses, and what must not be accepted (RFC 9112).
@Suite("RFC 9112 ordinary HTTP requests") struct HTTPTests {
    static func server(configure: (inout WebSocketServerConfiguration) -> Void = { _ in }) -> Simulation {
        Simulation(configure: configure) { routes in
            routes.respond(to: .post, .put, at: "/echo") { request in
                HTTPServerResponse(body: try await request.body.collect(upTo: 100_000))
            }
            routes.respond(to: .post, at: "/parts") { request in
                .stream { writer in
                    try await writer.write("begin,")
                    try await writer.write("")
                    try await writer.write("end")
                }
            }
            routes.respond(to: .post, at: "/size") { request in
                var size = 0
                for try await part in request.body { size += part.count }
                return .text("\(size) of \(request.body.length.map(String.init) ?? "?")")
            }
            routes.respond(to: .post, at: "/ignore") { _ in .text("ignored") }
            routes.respond(to: .get, .head, at: "/stream") { _ in
                .stream(headerFields: [.contentType: "text/plain"]) { writer in
                    for number in 1...3 { try await writer.write("\(number)\n") }
                }
            }
            routes.route("/ws", handler: echo)
        }
    }

    static func chunked(_ parts: [String]) -> String {
        parts.map { "\(String($0.utf8.count, radix: 16))\r\n\($0)\r\n" }.joined() + "0\r\n\r\n"
    }

    static func post(_ path: String, _ fields: String, _ body: String = "") -> String {
        "POST \(path) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n\(body)"
    }

    static func answer(_ simulation: Simulation, _ request: String) -> String {
        let client = simulation.rawClient()
        client.send(request)
        simulation.run()
        return client.takeText()
    }

    // MARK: Bodies of requests

    @Test(
        "A body is read whole, wherever it is split",
        arguments: [
            post("/echo", "Content-Length: 11", "hello, body"),
            post("/echo", "Transfer-Encoding: chunked", chunked(["hello", ", ", "body"])),
            post(
                "/echo", "Transfer-Encoding: Chunked", "5;a=b;c=\"d\"\r\nhello\r\n06 ; x\r\n, body\r\n0\r\nX: y\r\n\r\n"
            ),
        ], [1, 2, 7, 10_000])
    func aBodyIsRead(request: String, size: Int) {
        let simulation = Self.server()
        simulation.link.readSize = .atMost(size)
        let answer = Self.answer(simulation, request + request)
        #expect(answer.components(separatedBy: "\r\n\r\nhello, body").count == 3, "\(answer)")
        #expect(answer.contains("Content-Length: 11\r\n"))
        simulation.expectNothingLeftOfRequests()
    }

    @Test("A body of any size is read while it arrives, and no more than a part of it is kept")
    func aLargeBody() throws {
        let simulation = Self.server()
        let client = simulation.rawClient()
        client.send("POST /size HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n")
        for _ in 0..<50 {
            client.send(String(repeating: "x", count: 100_000))
            simulation.run()
        }
        #expect(client.takeText().hasSuffix("\r\n\r\n5000000 of 5000000"))
    }

    @Test("A handler that does not read stops the client from sending")
    func backPressure() throws {
        let gate = Gate()
        let simulation = Simulation { routes in
            routes.respond(to: .post, at: "/slow") { request in
                var parts = request.body.makeAsyncIterator()
                _ = try await parts.next()
                try await gate.wait()
                var size = 1
                while let part = try await parts.next() { size += part.count }
                return .text("\(size)")
            }
        }
        let client = simulation.rawClient()
        client.send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 1000001\r\n\r\nx")
        simulation.run()
        for _ in 0..<10 {
            client.send(String(repeating: "x", count: 100_000))
            simulation.run()
        }
        let kept = try #require(simulation.livingConnections.first)
        #expect(kept.exchange.body.count + kept.held.count < 400_000)
        gate.open()
        simulation.advance(by: .seconds(1))
        #expect(client.takeText().hasSuffix("\r\n\r\n1000001"))
    }

    @Test("RFC 9110 §10.1.1 a client that expects 100 Continue gets it when the body is read, and not before")
    func expectContinue() {
        let simulation = Self.server()
        let client = simulation.rawClient()
        client.send(Self.post("/echo", "Content-Length: 2\r\nExpect: 100-continue"))
        simulation.run()
        #expect(client.takeText() == "HTTP/1.1 100 Continue\r\n\r\n")
        client.send("ok")
        simulation.run()
        #expect(client.takeText().hasSuffix("\r\n\r\nok"))
        client.send(Self.post("/ignore", "Content-Length: 2\r\nExpect: 100-continue"))
        simulation.run()
        let answer = client.takeText()
        #expect(answer.hasSuffix("ignored") && answer.contains("Connection: close\r\n"))
        #expect(client.inputHasEnded)
    }

    @Test("RFC 9110 §10.1.1 another expectation gets 417")
    func unknownExpectation() {
        #expect(Self.answer(Self.server(), Self.post("/echo", "Expect: tea")).hasPrefix("HTTP/1.1 417 "))
    }

    @Test(
        "A body that is too large gets 413, at once if its length is known",
        arguments: [
            post("/echo", "Content-Length: 100001"),
            post("/echo", "Transfer-Encoding: chunked", chunked([String(repeating: "x", count: 100_001)])),
        ])
    func tooLarge(request: String) {
        #expect(Self.answer(Self.server(), request).hasPrefix("HTTP/1.1 413 "))
    }

    @Test("A body that nobody reads is dropped, and the next request is answered", arguments: [true, false])
    func droppedBody(isChunked: Bool) {
        let body = String(repeating: "x", count: 50_000)
        let request =
            isChunked
            ? Self.post("/ignore", "Transfer-Encoding: chunked", Self.chunked([body, "y"]))
            : Self.post("/ignore", "Content-Length: 50000", body)
        let answer = Self.answer(Self.server(), request + "GET /missing HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(answer.contains("ignored") && answer.contains("HTTP/1.1 404 "))
    }

    @Test("A large body that nobody reads ends the connection")
    func tooMuchToDrop() {
        let simulation = Self.server()
        let client = simulation.rawClient()
        client.send(Self.post("/ignore", "Content-Length: 10000000"))
        for _ in 0..<10 { client.send(String(repeating: "x", count: 30_000)) }
        simulation.run()
        #expect(client.takeText().hasSuffix("ignored"))
        #expect(client.isOver)
    }

    @Test("A body that does not arrive gets 408 at the deadline")
    func slowBody() {
        let simulation = Self.server { $0.endpoint.requestTimeout = .seconds(5) }
        let client = simulation.rawClient()
        client.send(Self.post("/echo", "Content-Length: 10", "part"))
        simulation.advance(by: .seconds(4))
        #expect(client.takeText() == "")
        for _ in 0..<3 {
            client.send("x")
            simulation.advance(by: .seconds(1))
        }
        #expect(client.takeText().hasPrefix("HTTP/1.1 408 "))
        #expect(client.inputHasEnded)
    }

    @Test("A client that leaves in the middle of a body ends the handler")
    func aClientThatLeaves() {
        let errors = Collected<WebSocketError?>()
        let simulation = Simulation { routes in
            routes.respond(to: .post, at: "/") { request in
                do {
                    return HTTPServerResponse(body: try await request.body.collect(upTo: 100))
                } catch {
                    errors.append(error as? WebSocketError)
                    throw error
                }
            }
        }
        let client = simulation.rawClient()
        client.send(Self.post("/", "Content-Length: 10", "part"))
        simulation.run()
        client.end()
        simulation.expectNothingLeft()
        #expect(errors.values.map { $0?.code } == [.closed])
        #expect(simulation.runtime.isIdle)
    }

    @Test("The body of an answered request cannot be read, not even while the next request has one")
    func aBodyOutlivesItsRequest() throws {
        let bodies = Collected<HTTPRequestBody>()
        let simulation = Simulation { routes in
            routes.respond(to: .post, at: "/keep") { request in
                bodies.append(request.body)
                return .text("kept")
            }
            routes.respond(to: .post, at: "/wait") { request in
                try await Gate().wait()
                return .text("")
            }
        }
        let client = simulation.rawClient()
        client.send(Self.post("/keep", "Content-Length: 4", "1234") + Self.post("/wait", "Content-Length: 4", "5678"))
        simulation.run()
        let body = try #require(bodies.values.first)
        let error = simulation.error { _ = try await body.collect(upTo: 100) }
        #expect(error?.code == .closed)
    }

    // MARK: Strictness

    @Test(
        "Framing that readers understand differently is refused",
        arguments: [
            ("Transfer-Encoding: chunked\r\nContent-Length: 5", 400), ("Transfer-Encoding: gzip, chunked", 501),
            ("Transfer-Encoding: chunked, chunked", 501), ("Transfer-Encoding: identity", 501),
            ("Transfer-Encoding: xchunked", 501), ("Content-Length: 5, 6", 400), ("Content-Length: +5", 400),
            ("Content-Length: -1", 400), ("Content-Length: 5 5", 400), ("Content-Length: 99999999999999999999", 400),
            ("Content-Length: 0x5", 400), ("Transfer-Encoding:\u{0B}chunked", 400),
        ])
    func ambiguousFraming(fields: String, status: Int) {
        let answer = Self.answer(
            Self.server(), Self.post("/echo", fields, "0\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n"))
        #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(answer)")
        #expect(answer.components(separatedBy: "HTTP/1.1 ").count == 2, "one answer, and then the end")
    }

    @Test(
        "A malformed chunk gets 400, and the connection ends",
        arguments: [
            "x\r\n", "\r\n", " 5\r\nhello\r\n", "5\nhello\r\n", "5\r\nhelloX\r\n", "5\r\nhello\n", "5\r\rhello\r\n",
            "5 x\r\r\n", "-5\r\nhello\r\n", "0x5\r\nhello\r\n", "ffffffffffffffffff\r\n", "5;a=\u{1}\r\nhello\r\n",
            "0\r\n\n", "0\r\nX: y\n\r\n", "5;" + String(repeating: "x", count: 9000) + "\r\nhello\r\n",
            "0\r\n" + String(repeating: "X: y\r\n", count: 2000) + "\r\n",
        ])
    func malformedChunks(body: String) {
        let simulation = Self.server()
        let answer = Self.answer(simulation, Self.post("/echo", "Transfer-Encoding: chunked", body))
        #expect(answer.hasPrefix("HTTP/1.1 400 ") && answer.contains("Connection: close\r\n"), "\(answer)")
    }

    @Test("RFC 9112 §6.1 Transfer-Encoding in HTTP/1.0 is refused")
    func transferEncodingOfHTTP10() {
        let request = "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        #expect(Self.answer(Self.server(), request).hasPrefix("HTTP/1.1 400 "))
    }

    // MARK: Streamed responses

    @Test("A streamed response is sent in chunks, and the connection goes on")
    func streamedInChunks() {
        let answer = Self.answer(
            Self.server(),
            "GET /stream HTTP/1.1\r\nHost: a\r\n\r\nHEAD /stream HTTP/1.1\r\nHost: a\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        let parts = answer.components(separatedBy: "HTTP/1.1 ")
        #expect(parts.count == 4)
        #expect(parts.dropFirst().first?.contains("Transfer-Encoding: chunked\r\n") == true)
        #expect(
            parts.dropFirst().first?.hasSuffix("\r\n\r\n2\r\n1\n\r\n2\r\n2\n\r\n2\r\n3\n\r\n0\r\n\r\n") == true,
            "\(answer)")
        #expect(parts.dropFirst(2).first?.hasSuffix("\r\n\r\n") == true)
        #expect(parts.last?.hasPrefix("404 ") == true)
    }

    @Test("RFC 9112 §7 a client of HTTP/1.0 gets a streamed response up to the end of the stream")
    func streamedToHTTP10() {
        let simulation = Self.server()
        let client = simulation.rawClient()
        client.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        simulation.run()
        let answer = client.takeText()
        #expect(answer.hasSuffix("\r\n\r\n1\n2\n3\n") && !answer.contains("Transfer-Encoding"))
        #expect(client.inputHasEnded)
    }

    @Test(
        "A streamed response with a Content-Length is sent as it is, and aborted if bytes are missing",
        arguments: [(3, ["ab", "c"], true), (4, ["ab", "c"], false), (2, ["ab", "c"], false), (0, [], true)])
    func contentLength(length: Int, parts: [String], isComplete: Bool) {
        let simulation = Simulation { routes in
            routes.respond(at: "/") { _ in
                .stream(headerFields: [.contentLength: "\(length)"]) { writer in
                    for part in parts { try await writer.write(part) }
                }
            }
        }
        let client = simulation.rawClient()
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        simulation.run()
        #expect(!client.takeText().contains("chunked"))
        #expect(client.isOver == !isComplete)
    }

    @Test("A stream waits for a client that reads slowly, and ends when the client leaves")
    func slowReaders() {
        let written = Collected<Int>()
        let ended = Collected<WebSocketError?>()
        let simulation = Simulation { routes in
            routes.respond(at: "/") { _ in
                .stream { writer in
                    do {
                        for number in 0..<10_000 {
                            try await writer.write([UInt8](repeating: 1, count: 1000))
                            written.append(number)
                        }
                    } catch {
                        ended.append(error as? WebSocketError)
                        throw error
                    }
                }
            }
        }
        let client = simulation.rawClient()
        client.transport.setReading(false)
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        simulation.run()
        #expect(written.count < 1000)
        client.transport.reset()
        simulation.expectNothingLeft()
        #expect(ended.values.map { $0?.code } == [.closed])
        #expect(simulation.runtime.isIdle)
    }

    @Test("A stream that fails aborts the connection")
    func failingStreams() {
        struct Unexpected: Error {}
        let simulation = Simulation { routes in
            routes.respond(at: "/") { _ in
                .stream { writer in
                    try await writer.write("begin")
                    throw Unexpected()
                }
            }
        }
        let client = simulation.rawClient()
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        simulation.run()
        #expect(!client.takeText().hasSuffix("0\r\n\r\n"))
        #expect(client.isOver)
    }

    @Test("A shutdown cancels streams and waits for them", arguments: [true, false])
    func shutdown(endsWell: Bool) {
        let simulation = Simulation { routes in
            routes.respond(at: "/") { _ in
                .stream { writer in
                    try await writer.write("begin")
                    do {
                        try await Gate().wait()
                    } catch {
                        if !endsWell { throw error }
                    }
                }
            }
        }
        let client = simulation.rawClient()
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        simulation.run()
        let shutdown = simulation.shutDown()
        simulation.run()
        client.end()
        simulation.advance(by: .seconds(1))
        #expect(client.takeText().hasSuffix("0\r\n\r\n") == endsWell)
        #expect(client.isOver && shutdown.hasEnded)
    }

    @Test("A WebSocket can be opened after requests with bodies on the same connection")
    func anUpgradeAfterBodies() throws {
        let simulation = Self.server()
        let client = simulation.rawClient()
        client.send(Self.post("/echo", "Content-Length: 2", "ok") + Self.post("/parts", "Content-Length: 1", "x"))
        client.send(.request("/ws"))
        client.send(.text("hello"))
        simulation.run()
        let all = client.takeBytes()
        let marker = Array("HTTP/1.1 101 ".utf8)
        let start = try #require(all.indices.first { all[$0...].starts(with: marker) })
        let end = try #require(all[start...].indices.first { all[$0...].starts(with: Array("\r\n\r\n".utf8)) })
        #expect(try WireFrame.parse(Array(all[(end + 4)...])).map(\.text) == ["hello"])
    }
}

extension Simulation {
    /// Checks that no task answers a request.
    fileprivate func expectNothingLeftOfRequests() {
        #expect(livingConnections.allSatisfy { $0.exchange.body.isEmpty && $0.exchange.reader == nil })
    }
}

extension String {
    fileprivate func components(separatedBy separator: String) -> [Substring] {
        split(separator: separator, omittingEmptySubsequences: false)
    }
}
