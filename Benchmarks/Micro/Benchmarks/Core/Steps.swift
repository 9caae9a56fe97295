import Benchmark
import LifelineCore

/// What went differently than it does between endpoints that keep to the protocol.
struct Unexpected: Error {
    let event: String
}

extension Endpoint {
    /// A server's endpoint past its opening handshake.
    static func openServer(_ random: inout RandomPool) throws -> Endpoint {
        let now = MonotonicInstant(nanoseconds: 0)
        var configuration = EndpointConfiguration.server
        configuration.maximumFragmentsPerMessage = 1_024
        // Each message by itself, so that the same bytes can be read over and over.
        let agreement = PerMessageDeflate(serverNoContextTakeover: true, clientNoContextTakeover: true)
        configuration.compression?.parameters = agreement
        var endpoint = Endpoint(server: configuration, at: now, random: &random)
        var head = Array(
            ("GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                + "Sec-WebSocket-Extensions: \(agreement.offer)\r\n\r\n").utf8)
        try head.withUnsafeMutableBytes { bytes in
            var input = ReadBuffer(bytes)
            guard case .request = endpoint.receive(&input, at: now), let request = endpoint.request else {
                throw Unexpected(event: "no request")
            }
            let response = try ServerHandshake(request.request).response(extensions: [agreement.answer])
            endpoint.accept(response, compression: agreement, at: now, random: &random)
        }
        endpoint.drainOutput(random: &random) { _ in }
        return endpoint
    }
}

/// Reads the same bytes over and over, a step for each message.
///
/// The frames are masked with zeros, since unmasking in place would change them otherwise; it takes the same time.
final class Reader: Steps {
    private let bytes: UnsafeMutableRawBufferPointer
    private let piece: Int
    private var random = RandomPool()
    private var endpoint: Endpoint
    private var input: ReadBuffer
    private var position = 0

    /// - Parameter piece: How many of the bytes arrive at a time; all where none is given.
    init(_ frames: [UInt8], piece: Int? = nil) throws {
        self.bytes = .allocate(byteCount: frames.count, alignment: 16)
        self.bytes.copyBytes(from: frames)
        self.piece = piece ?? frames.count
        self.endpoint = try .openServer(&self.random)
        self.input = ReadBuffer(UnsafeMutableRawBufferPointer(rebasing: self.bytes[..<0]))
    }

    deinit {
        self.bytes.deallocate()
    }

    func step() throws {
        while true {
            switch self.endpoint.receive(&self.input, at: MonotonicInstant(nanoseconds: 1)) {
            case .message(_, let payload):
                blackHole(payload.count)
                return
            case .inProgress:
                break
            case .needsInput:
                if self.position == self.bytes.count { self.position = 0 }
                let end = min(self.position + self.piece, self.bytes.count)
                self.input = ReadBuffer(UnsafeMutableRawBufferPointer(rebasing: self.bytes[self.position..<end]))
                self.position = end
            case let event:
                throw Unexpected(event: "\(event)")
            }
        }
    }
}

/// Makes the header of one message a step.
final class Writer: Steps {
    private let payloadLength: Int
    private var random = RandomPool()
    private var endpoint: Endpoint

    init(payloadLength: Int) throws {
        self.payloadLength = payloadLength
        self.endpoint = try .openServer(&self.random)
    }

    func step() throws {
        blackHole(try self.endpoint.dataFrame(.binary, payloadLength: self.payloadLength, random: &self.random).count)
    }
}

/// Compresses the same message a step.
final class Compressor: Steps {
    private let message: [UInt8]
    private var random = RandomPool()
    private var endpoint: Endpoint

    init(_ message: [UInt8]) throws {
        self.message = message
        self.endpoint = try .openServer(&self.random)
    }

    /// What its compressed bytes are.
    func compressed() throws -> [UInt8] {
        try self.compress { Array($0) }
    }

    func step() throws {
        try self.compress { blackHole($0.count) }
    }

    private func compress<Result>(_ body: (UnsafeRawBufferPointer) -> Result) throws -> Result {
        try self.message.withUnsafeBytes { message in
            guard let bytes = self.endpoint.compress(message, .only, .always, at: MonotonicInstant(nanoseconds: 1))
            else {
                throw Unexpected(event: "not compressed")
            }
            return bytes.withUnsafeBytes(body)
        }
    }
}
