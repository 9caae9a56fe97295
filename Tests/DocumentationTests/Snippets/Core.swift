import LifelineCore

// The snippets of the core's articles.

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
            case .awaitsAnswer, .requestBody, .requestBodyEnd: break
            case .inProgress, .opened, .chunk, .ping, .pong, .frame: break
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
