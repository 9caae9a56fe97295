import HTTPTypes
import LifelineCore
import LifelineTesting
import Testing

@testable import Lifeline

/// Which route a path finds, and what the route knows of it.
@Suite("Routing") struct RoutingTests {
    // MARK: Patterns

    static func table(_ paths: [String]) throws -> RouteTable<String> {
        var table = RouteTable<String>()
        for path in paths { table.set(try RoutePattern(path)) { _ in path } }
        return table
    }

    @Test(
        "The most specific pattern matches",
        arguments: [
            ("/", "/"), ("/rooms", "/rooms"), ("/rooms/", nil), ("/rooms/lobby", "/rooms/lobby"),
            ("/rooms/blue", "/rooms/{room}"), ("/rooms//", nil), ("/rooms/blue/", nil),
            ("/rooms/lobby/users", "/rooms/lobby/users"), ("/rooms/lobby/7", "/rooms/{room}/{user}"),
            ("/rooms/blue/users", "/rooms/{room}/{user}"), ("/rooms/blue/7", "/rooms/{room}/{user}"),
            ("/rooms/blue/7/x", nil), ("/files/", "/files/{path...}"), ("/files/a/b", "/files/{path...}"),
            ("/files", nil), ("/caf%C3%A9", "/café"), ("/café", "/café"), ("/%72ooms", "/rooms"), ("*", nil), ("", nil),
        ] as [(String, String?)])
    func theMostSpecificPatternMatches(path: String, pattern: String?) throws {
        let table = try Self.table([
            "/", "/rooms", "/rooms/lobby", "/rooms/{room}", "/rooms/lobby/users", "/rooms/{room}/{user}",
            "/files/{path...}", "/café",
        ])
        #expect(table.entry(at: path)?.value == pattern)
    }

    @Test("A pattern for the rest of all paths is the fallback")
    func theFallback() throws {
        let table = try Self.table(["/a/{b}", "/{path...}"])
        for path in ["/", "/a", "/a/", "/x/y", "/a/b/c"] { #expect(table.entry(at: path)?.value == "/{path...}") }
        #expect(table.entry(at: "/a/b")?.value == "/a/{b}")
    }

    @Test("A less specific pattern matches if the more specific one is not suitable")
    func unsuitableEntries() throws {
        let table = try Self.table(["/a/b", "/a/{x}", "/{path...}"])
        #expect(table.entry(at: "/a/b") { $0 != "/a/b" }?.value == "/a/{x}")
        #expect(table.entry(at: "/a/b") { $0 == "/{path...}" }?.value == "/{path...}")
        #expect(table.entry(at: "/a/b") { _ in false } == nil)
    }

    @Test(
        "Parameters are percent-decoded",
        arguments: [
            ("/rooms/{room}", "/rooms/blue%20sky", ["room": "blue sky"]),
            ("/rooms/{room}", "/rooms/a%2Fb", ["room": "a/b"]),
            ("/rooms/{room}", "/rooms/%", ["room": "%"]),
            ("/rooms/{room}", "/rooms/..", ["room": ".."]),
            ("/{a}/{b}", "/1/2", ["a": "1", "b": "2"]),
            ("/files/{path...}", "/files/a/b%20c//", ["path": "a/b c//"]),
            ("/files/{path...}", "/files/", ["path": ""]),
        ])
    func parametersAreDecoded(pattern: String, path: String, expected: [String: String]) throws {
        let found = try RoutePattern(pattern).parameters(in: path)
        #expect(Dictionary(uniqueKeysWithValues: found.names.map { ($0, found[$0] ?? "") }) == expected)
    }

    @Test(
        "A malformed pattern is explained",
        arguments: [
            ("rooms", "must begin with /"), ("/a?b", "no query"), ("/a#b", "no query and no fragment"),
            ("/a{b}", "a whole segment"), ("/{b", "a whole segment"), ("/b}", "a whole segment"),
            ("/{}", "name must consist of"), ("/{...}", "name must consist of"), ("/{a b}", "name must consist of"),
            ("/{a}/{a}", "two parameters have the name a"), ("/{a...}/b", "must be the last segment"),
        ])
    func malformedPatterns(pattern: String, words: String) {
        let error = #expect(throws: RoutePattern.Malformed.self) { try RoutePattern(pattern) }
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
        #expect(error?.description.contains(pattern) == true)
    }

    @Test("A route that matches the same paths as another ends the program, and says so")
    func conflicts() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var server = WebSocketServer(address: .hostname("127.0.0.1", port: 0))
            server.route("/rooms/{room}") { _ in }
            server.group("/rooms") { rooms in rooms.route("/{name}") { _ in } }
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(text.contains("/rooms/{name} matches the same paths as /rooms/{room}, which already has a route"))
    }

    @Test("A second responder for a method ends the program, and says so")
    func conflictingResponders() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var server = WebSocketServer(address: .hostname("127.0.0.1", port: 0))
            server.respond(to: .post, at: "/hook") { _ in .text("") }
            server.respond(at: "/hook") { _ in .text("") }
            server.respond(to: .get, at: "/hook") { _ in .text("") }
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(text.contains("/hook already has a responder for GET"))
    }

    // MARK: Parameters of requests

    @Test("A handler and a decision have the route and its parameters")
    func parametersOfARequest() throws {
        let seen = Collected<String>()
        let simulation = Simulation { root in
            root.route("/rooms/{room}/{path...}") { upgrade in
                seen.append("\(upgrade.route) \(upgrade.parameters["room"] ?? "") \(upgrade.method)")
                return .accept(try upgrade.parameters.require("room", as: Int.self))
            } handler: { socket, room in
                let parameters = socket.handshake.parameters
                try await socket.send(
                    "\(room) \(parameters.names) \(parameters["path"] ?? "") \(parameters["x"] ?? "-")")
                try await socket.send(socket.handshake.route ?? "")
            }
        }
        let socket = try simulation.open("/rooms/12/a%20b/c?x=1")
        #expect(try simulation.value { try await socket.receive()?.text } == #"12 ["room", "path"] a b/c -"#)
        #expect(try simulation.value { try await socket.receive()?.text } == "/rooms/{room}/{path...}")
        #expect(seen.values == ["/rooms/{room}/{path...} 12 GET"])
        let error = simulation.error { try await simulation.connect("/rooms/twelve/") }
        #expect(error?.handshakeFailure?.response?.status == .notFound)
        let body = String(decoding: error?.handshakeFailure?.body ?? [], as: UTF8.self)
        #expect(body.contains("room must be of type Int"))
    }

    // MARK: Configuration

    @Test(
        "A route has the limits, subprotocols, compression and origins of its configuration", arguments: [false, true])
    func configurations(decides: Bool) throws {
        let simulation = Simulation { root in
            let configure: ConfigureRoute = {
                $0.endpoint.maximumMessageSize = 10
                $0.endpoint.compression = nil
                $0.endpoint.heartbeat.interval = .seconds(1)
                $0.endpoint.heartbeat.timeout = .seconds(1)
                $0.originPolicy = .oneOf(["https://example.org"])
                $0.subprotocols = ["two", "one"]
            }
            if decides {
                root.route("/small", configure: configure) { _ in
                    .accept()
                } handler: { socket, _ in
                    try await echo(socket)
                }
            } else {
                root.route("/small", configure: configure, handler: echo)
            }
            root.route("/large", handler: echo)
        }
        simulation.offersCompression = true
        let small = try simulation.open("/small") {
            $0.subprotocols = ["one", "two"]
            $0.headerFields[.origin] = "https://example.org"
        }
        #expect(small.handshake.subprotocol == "two")
        #expect(small.handshake.compression == nil)
        let large = try simulation.open("/large") { $0.headerFields[.origin] = "http://server.example.com" }
        #expect(large.handshake.compression != nil)
        for (socket, isClosed) in [(small, true), (large, false)] {
            try simulation.value { try await socket.send("hello, world") }
            simulation.run()
            #expect(try simulation.value { await socket.outcome?.effectiveCode == .messageTooBig } == isClosed)
        }
        let error = simulation.error {
            try await simulation.connect("/small") { $0.headerFields[.origin] = "http://server.example.com" }
        }
        #expect(error?.handshakeFailure?.response?.status == .forbidden)
        // The peer does not answer Pings, so the heartbeat of the route ends its connection within two seconds.
        let client = simulation.rawClient()
        client.send(.request("/small"))
        simulation.advance(by: .seconds(3))
        #expect(try client.takeHeadAndFrames().contains { $0.opcode == 8 })
    }

    @Test("Groups share a prefix, a configuration and an authorisation")
    func groups() throws {
        let simulation = Simulation { root in
            root.group("/api", configure: { $0.subprotocols = ["api"] }) { (request: ServerRequest) in
                guard let user = request.query["user"] else { throw HandshakeRefusal(.unauthorized) }
                return user
            } routes: { api in
                api.route("") { socket, user in try await socket.send("\(user) at \(socket.handshake.route ?? "")") }
                api.routeOnLoop("/loop", subprotocols: ["loop"]) { _, user in UpgradeTests.Greeter(value: user) }
                api.group("/admin") { request, user in
                    guard user == "ada" else { throw HandshakeRefusal(.forbidden) }
                    return (user, request.parameters["tenant"])
                } routes: { admin in
                    admin.route("/{tenant}") { request, both in
                        .accept("\(both.0) \(both.1 ?? "") \(request.subprotocols)")
                    } handler: { socket, value in
                        try await socket.send(value)
                    }
                }
                api.respond(at: "/me") { _, user in .text(user) }
            }
            root.group("/open") { open in open.route("/{x}", handler: echo) }
        }
        func first(_ path: String) throws -> (text: String?, subprotocol: String?) {
            let socket = try simulation.open(path) { $0.subprotocols = ["api", "loop"] }
            return (try simulation.value { try await socket.receive()?.text }, socket.handshake.subprotocol)
        }
        #expect(try first("/api?user=bob") == ("bob at /api", "api"))
        #expect(try first("/api/loop?user=bob") == ("bob", "loop"))
        #expect(try first("/api/admin/7?user=ada") == (#"ada 7 ["api", "loop"]"#, "api"))
        for (path, status) in [("/api", 401), ("/api/admin/7?user=bob", 403), ("/api/x?user=bob", 404)] {
            let error = simulation.error { try await simulation.connect(path) }
            #expect(error?.handshakeFailure?.response?.status.code == status, "\(path)")
        }
        _ = try simulation.open("/open/1")
        let client = simulation.rawClient()
        client.send("GET /api/me?user=bob HTTP/1.1\r\nHost: a\r\n\r\n")
        simulation.run()
        #expect(client.takeText().hasSuffix("\r\n\r\nbob"))
        client.send("GET /api/me HTTP/1.1\r\nHost: a\r\n\r\n")
        simulation.run()
        #expect(client.takeText().hasPrefix("HTTP/1.1 401 "))
    }

    @Test("An invalid origin policy of a route is an error when the server starts")
    func invalidOrigins() async {
        var server = WebSocketServer.forTests()
        server.route("/a") {
            $0.originPolicy = .oneOf(["example.org"])
        } handler: { _ in
        }
        let error = await #expect(throws: WebSocketError.self) { try await server.withServer { _ in } }
        #expect(error?.code == .invalidConfiguration)
        #expect(error?.message.contains("of the route /a") == true)
    }

    // MARK: HTTP

    @Test("Methods have responders of their own, and others get 405 with Allow")
    func methods() throws {
        let simulation = Simulation { routes in
            routes.respond(to: .post, .put, at: "/a/{b}") { .text("\($0.method) \($0.parameters["b"] ?? "")") }
            routes.respond(to: .get, .head, at: "/a/x") { _ in .text("x") }
        }
        func answer(_ line: String) -> String {
            let client = simulation.rawClient()
            client.send("\(line) HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            simulation.run()
            return client.takeText()
        }
        #expect(answer("POST /a/x").hasSuffix("POST x"))
        #expect(answer("PUT /a/y").hasSuffix("PUT y"))
        #expect(answer("GET /a/x").hasSuffix("x"))
        #expect(answer("DELETE /a/x").contains("\r\nAllow: GET, HEAD\r\n"))
        #expect(answer("GET /a/y").contains("\r\nAllow: POST, PUT\r\n"))
        #expect(answer("GET /b").hasPrefix("HTTP/1.1 404 "))
    }

    @Test("A responder may wait, refuse and fail, and requests behind it wait")
    func asynchronousResponders() throws {
        let gate = Gate()
        struct Unexpected: Error {}
        let simulation = Simulation { routes in
            routes.respond(to: .get, at: "/slow") { _ in
                try await gate.wait()
                return .text("slow")
            }
            routes.respond(to: .get, at: "/refusing") { _ in throw HandshakeRefusal(.tooManyRequests) }
            routes.respond(to: .get, at: "/failing") { _ in throw Unexpected() }
        }
        let client = simulation.rawClient()
        client.send(["/slow", "/refusing", "/failing"].map { "GET \($0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined())
        simulation.run()
        #expect(client.takeText() == "")
        gate.open()
        simulation.advance(by: .milliseconds(1))
        let lines = client.takeText().split(separator: "\r\n").filter {
            $0.hasPrefix("HTTP/1.1") || $0.hasPrefix("slow")
        }
        #expect(
            lines == ["HTTP/1.1 200 OK", "slowHTTP/1.1 429 Too Many Requests", "HTTP/1.1 500 Internal Server Error"])
    }

    @Test("A responder that does not answer by the deadline is cancelled, and the client gets 503")
    func lateResponders() throws {
        let cancelled = Collected<Bool>()
        let simulation = Simulation {
            $0.endpoint.requestTimeout = .seconds(10)
        } routes: { routes in
            routes.respond(to: .get, at: "/never") { _ in
                try? await Gate().wait()
                cancelled.append(Task.isCancelled)
                return .text("late")
            }
        }
        let client = simulation.rawClient()
        client.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n")
        simulation.advance(by: .seconds(11))
        #expect(client.takeText().hasPrefix("HTTP/1.1 503 "))
        #expect(cancelled.values == [true])
    }
}

extension RawPeer {
    /// What has arrived after a head.
    func takeHeadAndFrames() throws -> [WireFrame] {
        _ = takeHead()
        return try takeFrames()
    }
}
