import HTTPTypes
import Lifeline
import Logging
import NIOCore
import ServiceLifecycle
import UnixSignals

// AuthenticateInTheHandshake.md, PushFromTheServer.md, StreamBigMessages.md, CompressMessages.md, Deploy.md, ShutDown.md,
// docs/compression.md

struct User: Sendable {
    let name: String
}

struct Users: Sendable {
    func verify(_ token: String?) async throws -> User? { token.map { User(name: $0) } }
}

func authenticate(_ server: inout WebSocketServer, users: Users) {
    server.route("/rooms") { upgrade in
        guard let user = try await users.verify(upgrade.query["token"]) else {
            throw HandshakeRefusal(.unauthorized, headerFields: [.wwwAuthenticate: "Bearer"])
        }
        return .accept(user)
    } handler: { socket, user in
        try await socket.send("hello, \(user.name)")
    }

    server.route("/feed", subprotocols: ["feed.v2", "feed.v1"]) { upgrade in
        guard let session = upgrade.headerFields[.cookie] else {
            throw HandshakeRefusal(
                .forbidden, headerFields: [.contentType: "application/json"],
                body: Array(#"{"error":"no session"}"#.utf8))
        }
        let isOld = upgrade.headerFields[.userAgent]?.hasPrefix("Feed/1") == true
        return .accept(session, subprotocol: isOld ? "feed.v1" : nil, headerFields: [.setCookie: "seen=1"])
    } handler: { socket, session in
        try await socket.send("\(socket.handshake.subprotocol ?? "none"): \(session)")
    }
}

func pushFromTheServer(_ server: inout WebSocketServer, updates: @escaping @Sendable () -> AsyncStream<String>) {
    server.route("/feed") { socket in
        for await update in updates() {
            try await socket.send(update)
        }
    }
}

func pushToMany(_ members: Set<WebSocket>, _ socket: WebSocket, text: String) async throws {
    var subscribers = members
    let update = PreparedMessage(text)
    for socket in subscribers where socket.enqueue(update) == .closed {
        subscribers.remove(socket)
    }

    if await socket.bufferedBytes > 1 << 20 {
        try await socket.close(code: .tryAgainLater, reason: "you read too slowly")
    }
}

func closeWithAReason() throws {
    throw WebSocketCloseError(code: .policyViolation, reason: "one vote for each user")
}

func streamBigMessages(_ socket: WebSocket, _ chunks: AsyncStream<ByteBuffer>) async throws {
    for try await message in socket.incoming {
        var count = 0
        for try await chunk in message { count += chunk.readableBytes }
        try await socket.send("\(count) bytes")
    }
    try await socket.send(fragments: chunks)
}

func allowBigMessages(_ server: inout WebSocketServer) {
    server.configuration.endpoint.maximumMessageSize = 4 << 30
    server.configuration.endpoint.maximumFrameSize = 64 << 20
}

func compressOne(_ socket: WebSocket, text: String, photograph: [UInt8]) async throws {
    try await socket.send(text)
    try await socket.send(photograph, compress: .never)
}

func compressionSettings() {
    var configuration = WebSocketServerConfiguration()
    configuration.endpoint.compression?.parameters.serverNoContextTakeover = true
    configuration.endpoint.compression?.budget = CompressionBudget(limit: 64 << 20)
}

func compressForMany(_ subscribers: Set<WebSocket>, text: String) {
    let update = PreparedMessage(text)
    for socket in subscribers { socket.enqueue(update) }
}

func compressionDocument(_ socket: WebSocket, json: String, photograph: [UInt8], log: String) async throws {
    var configuration = WebSocketServerConfiguration()
    configuration.endpoint.compression?.level = 1  // faster, larger
    configuration.endpoint.compression?.budget = CompressionBudget(limit: 1 << 30)
    configuration.endpoint.compression = nil  // none at all

    try await socket.send(json)  // .automatic
    try await socket.send(photograph, compress: .never)
    try await socket.send(log, compress: .always)  // whatever its size and content
}

func compressionDocument(_ subscribers: [WebSocket], json: String) {
    let update = PreparedMessage(json)
    for socket in subscribers { socket.enqueue(update) }
}

func deploymentLimits() {
    var server = WebSocketServer(address: .hostname("0.0.0.0", port: 8080))
    server.configuration.maximumConnections = 20_000
    server.configuration.endpoint.maximumMessageSize = 64 << 10
    server.configuration.buffers.maximumOutbound = 1 << 20
    server.configuration.originPolicy = .oneOf(["https://app.example.org"])
}

func deploy(_ server: inout WebSocketServer) {
    server.configuration.tls = ServerTLS(certificateChain: .file("chain.pem"), privateKey: .file("key.pem"))

    server.configuration.endpoint.heartbeat.interval = .seconds(15)

    server.respond(at: "/healthz") { _ in .text("ok") }
}

func stopWithoutLosingMessages(_ server: WebSocketServer) async throws {
    let group = ServiceGroup(
        services: [server], gracefulShutdownSignals: [.sigterm], logger: Logger(label: "example"))
    try await group.run()
}

func shutDown(_ socket: WebSocket, _ server: WebSocketServer) async throws {
    let outcome = try await socket.close(code: .normalClosure, reason: "that is all")
    if !outcome.isClean { print(outcome) }

    let group = ServiceGroup(
        services: [server], gracefulShutdownSignals: [.sigterm, .sigint], logger: Logger(label: "example"))
    try await group.run()
}

func serveWhileAClosureRuns(_ server: WebSocketServer) async throws {
    try await server.withServer { address in
        print("listening at \(address)")
        _ = readLine()
    }
}

func routePaths(_ server: inout WebSocketServer) {
    server.route("/rooms/{room}") { socket in
        let room = socket.handshake.parameters["room"] ?? ""
        try await socket.send("Welcome to \(room)")
    }
    server.route("/files/{path...}") { socket in
        try await socket.send("You asked for \(socket.handshake.parameters["path"] ?? "")")
    }
}

func routeParameters(_ server: inout WebSocketServer) {
    server.route("/orders/{order}") { upgrade in
        .accept(try upgrade.parameters.require("order", as: Int.self))
    } handler: { socket, order in
        try await socket.send("order \(order)")
    }
}

func routeSettings(_ server: inout WebSocketServer) {
    server.route("/upload") { configuration in
        configuration.endpoint.maximumMessageSize = 64 << 20
        configuration.endpoint.compression = nil
        configuration.originPolicy = .oneOf(["https://app.example.org"])
    } handler: { socket in
        for try await message in socket { print(message.count) }
    }
}

func routeGroups(_ server: inout WebSocketServer, _ users: Users) {
    server.group("/api") { request in
        guard let user = try await users.verify(request.query["token"]) else {
            throw HandshakeRefusal(.unauthorized, headerFields: [.wwwAuthenticate: "Bearer"])
        }
        return user
    } routes: { api in
        api.route("/rooms/{room}") { socket, user in
            try await socket.send("Hello, \(user.name)")
        }
        api.respond(at: "/me") { _, user in .text(user.name) }
    }
}

func respondToPosts(
    _ server: inout WebSocketServer, _ handle: @escaping @Sendable (String, [UInt8]) async throws -> Void
) {
    server.respond(to: .post, at: "/hook/{name}") { request in
        let body = try await request.body.collect(upTo: 1 << 20)
        try await handle(request.parameters["name"] ?? "", body)
        return HTTPServerResponse(status: .noContent)
    }
}

func streamResponses(_ server: inout WebSocketServer) {
    server.respond(at: "/numbers") { _ in
        .stream(headerFields: [.contentType: "text/plain"]) { writer in
            for number in 1...1000 { try await writer.write("\(number)\n") }
        }
    }
}
