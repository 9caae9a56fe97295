import Lifeline
import Logging
import NIOCore
import ServiceLifecycle
import UnixSignals

// What the README and the articles show, so that it is compiled. `DocumentationTests` holds the two together.

func readmeClient() async throws {
    let answer = try await WebSocketClient.connect(to: "ws://127.0.0.1:8080/echo") { socket in
        try await socket.send("hello")
        for try await message in socket {
            if case .text(let text) = message { return text }
        }
        return "the server closed first"
    }
    print(answer)
}

func readmeServer() async throws {
    var server = WebSocketServer(address: .hostname("127.0.0.1", port: 8080))
    server.route("/echo") { socket in
        for try await message in socket { try await socket.send(message) }
    }
    server.route("/push") { socket in
        for number in 1... {
            try await socket.send("update \(number)")
            try await Task.sleep(for: .seconds(1))
        }
    }
    try await server.run()
}

func connectAClient(url: String, token: String) async throws {
    let answer = try await WebSocketClient.connect(to: "ws://127.0.0.1:8080/echo") { socket in
        try await socket.send("hello")
        return try await socket.receive { $0.text }
    }
    _ = answer

    do {
        try await WebSocketClient.connect(to: url) { socket in
            for try await message in socket { print(message) }
        }
    } catch let error as WebSocketError where error.code == .handshakeRefused {
        print("refused:", error.handshakeFailure?.response?.status ?? "no status")
    } catch let error as WebSocketError where error.code == .closed {
        print("ended:", error.outcome?.description ?? "")
    }

    var configuration = WebSocketClientConfiguration()
    configuration.subprotocols = ["chat.v2", "chat.v1"]
    configuration.headerFields[.authorization] = "Bearer \(token)"
    configuration.endpoint.maximumMessageSize = 1 << 20
    configuration.endpoint.heartbeat.interval = .seconds(10)
    configuration.tls.trustedRoots = .file("roots.pem")
}

func pushFromTheServer(_ server: inout WebSocketServer, updates: @escaping @Sendable () -> AsyncStream<String>) {
    server.route("/feed") { socket in
        for await update in updates() {
            try await socket.send(update)
        }
    }
}

func streamBigMessages(_ socket: WebSocket, _ chunks: AsyncStream<ByteBuffer>) async throws {
    for try await message in socket.incoming {
        var count = 0
        for try await chunk in message { count += chunk.readableBytes }
        try await socket.send("\(count) bytes")
    }
    try await socket.send(fragments: chunks)
}

func shutDown(_ socket: WebSocket, _ server: WebSocketServer) async throws {
    let outcome = try await socket.close(code: .normalClosure, reason: "that is all")
    if !outcome.isClean { print(outcome) }

    let group = ServiceGroup(
        services: [server], gracefulShutdownSignals: [.sigterm, .sigint], logger: Logger(label: "example"))
    try await group.run()
}

func driveAnEndpoint(at now: MonotonicInstant, random: inout RandomPool) throws {
    let configuration = EndpointConfiguration.client
    let request = try ClientHandshake(
        authority: "example.org", path: "/chat", extensions: configuration.compression?.offers ?? [], random: &random)
    var endpoint = Endpoint(client: request, configuration: configuration, at: now, random: &random)
    endpoint.abort("an example")
}

protocol ByteStream {
    /// Waits for bytes until the deadline. Returns their number, 0 at the end of the stream, and `nil` at the deadline.
    func read(into memory: UnsafeMutableRawBufferPointer, until deadline: MonotonicInstant?) throws -> Int?
    /// Writes all of the bytes.
    func write(_ bytes: UnsafeRawBufferPointer) throws
    /// Ends this side's output (FIN).
    func shutdownOutput()
    /// Closes the stream.
    func close()
    /// Closes the stream at once, with a reset.
    func abort()
}

struct EchoDriver<Stream: ByteStream>: ~Copyable {
    private let stream: Stream
    private let now: () -> MonotonicInstant
    private let configuration = EndpointConfiguration.server
    private var random = RandomPool()
    private var endpoint: Endpoint

    init(_ stream: Stream, now: @escaping () -> MonotonicInstant) {
        self.stream = stream
        self.now = now
        endpoint = Endpoint(server: configuration, at: now(), random: &random)
    }

    mutating func run() {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
        defer { memory.deallocate() }
        while endpoint.phase != .closed {
            do {
                switch try stream.read(into: memory, until: endpoint.deadline) {
                case nil: endpoint.advance(to: now())
                case 0: endpoint.receiveEnd(at: now())
                case let count?: try receive(UnsafeMutableRawBufferPointer(rebasing: memory[..<count]))
                }
                try flush()
            } catch {
                endpoint.transportFailed("\(error)", at: now())
                stream.abort()
            }
        }
    }

    private mutating func receive(_ bytes: UnsafeMutableRawBufferPointer) throws {
        var input = ReadBuffer(bytes)
        while true {
            switch endpoint.receive(&input, at: now()) {
            case .needsInput: return
            case .request: answer()
            case .message(let kind, let payload): try send(kind, payload)
            case .closed: print(endpoint.outcome?.description ?? "")
            case .awaitsAnswer, .inProgress, .opened, .chunk, .ping, .pong, .frame: break
            }
        }
    }

    private mutating func answer() {
        guard let request = endpoint.request?.request else { return }
        do {
            let handshake = try ServerHandshake(request)
            let compression = configuration.compression?.agreement(on: handshake.extensions)
            let extensions = compression.map { [$0.answer(to: handshake.extensions)] } ?? []
            endpoint.accept(
                handshake.response(extensions: extensions), compression: compression, at: now(), random: &random)
        } catch {
            endpoint.refuse(error, at: now())
        }
    }

    private mutating func send(_ kind: MessageKind, _ payload: UnsafeRawBufferPointer) throws {
        // Data frames must not overtake the response to the handshake.
        try flush()
        guard endpoint.phase == .open else { return }
        if let compressed = endpoint.compress(payload, .only, .automatic, at: now()) {
            try compressed.withUnsafeBytes { try writeFrame(kind, $0, isCompressed: true) }
        } else {
            try writeFrame(kind, payload, isCompressed: false)
        }
    }

    private mutating func writeFrame(
        _ kind: MessageKind, _ payload: UnsafeRawBufferPointer, isCompressed: Bool
    ) throws {
        let header = try endpoint.dataFrame(
            kind, payloadLength: payload.count, isCompressed: isCompressed, random: &random)
        let frame = UnsafeMutableRawBufferPointer.allocate(byteCount: payload.count + 16, alignment: 8)
        defer { frame.deallocate() }
        let count = header.write(payload, to: frame.baseAddress!)
        try stream.write(UnsafeRawBufferPointer(rebasing: frame[..<count]))
    }

    private mutating func flush() throws {
        var output: [UInt8] = []
        endpoint.drainOutput(random: &random) { output += $0 }
        if !output.isEmpty { try output.withUnsafeBytes { try stream.write($0) } }
        switch endpoint.transportRequest {
        case .shutdownOutput: stream.shutdownOutput()
        case .close: stream.close()
        case .abort: stream.abort()
        case nil: break
        }
        endpoint.transportRequest = nil
    }
}
