import CAllocationCheck
import LifelineCore

/// What a server's endpoint is given to read over and over, or to send, by itself: no socket, no handler.
struct CoreTraffic {
    let name: String
    /// A client's frames, masked with zeros: unmasking in place would change them otherwise.
    var frames: [UInt8] = []
    /// How many bytes arrive at a time.
    var piece = Int.max
    /// The most allocations a message. A message that lies whole in the buffer has none; one that has to be put together
    /// has one, or two where it grows, and large memory is kept from one to the next.
    var most = 0.0

    static let all =
        [64, 1_024, 16 << 10].map {
            CoreTraffic(name: "read binary, \($0) B", frames: frame(2, payload($0)))
        } + [
            CoreTraffic(name: "read binary, 64 B, in pieces of 7 B", frames: frame(2, payload(64)), piece: 7, most: 1),
            CoreTraffic(
                name: "read binary, 16 fragments of 64 B",
                frames: (0..<16).flatMap { frame($0 == 0 ? 2 : 0, payload(64), isFinal: $0 == 15) }, most: 4),
            CoreTraffic(
                name: "read binary, 1 MiB, in pieces of 64 KiB", frames: frame(2, payload(1 << 20)), piece: 64 << 10),
        ]
        + ["abcdefgh", "schöner ", "日本語"].map {
            CoreTraffic(name: "read text of \($0)", frames: frame(1, Array(String(repeating: $0, count: 200).utf8)))
        } + [CoreTraffic(name: "write a header and a payload")]

    private static func payload(_ count: Int) -> [UInt8] { Array(repeating: 0, count: count) }

    private static func frame(_ opcode: UInt8, _ payload: [UInt8], isFinal: Bool = true) -> [UInt8] {
        let count = payload.count
        let length: [UInt8] =
            switch count {
            case ...125: [UInt8(count)]
            case ...0xFFFF: [126] + (0..<2).map { UInt8(truncatingIfNeeded: count >> (8 - 8 * $0)) }
            default: [127] + (0..<8).map { UInt8(truncatingIfNeeded: count >> (56 - 8 * $0)) }
            }
        return [opcode | (isFinal ? 0x80 : 0), 0x80 | length[0]] + length.dropFirst() + [0, 0, 0, 0] + payload
    }
}

/// A server's endpoint past its opening handshake, which reads or writes one message again and again.
final class CoreRun {
    private var random = RandomPool()
    private let memory = MemoryPool()
    private var endpoint: Endpoint
    private let now = MonotonicInstant(nanoseconds: 0)
    /// A payload, and room for its frame.
    private let output = UnsafeMutableRawPointer.allocate(byteCount: 4_096, alignment: 16)

    init() {
        var configuration = EndpointConfiguration.server
        configuration.maximumMessageSize = 16 << 20
        configuration.maximumFrameSize = 16 << 20
        endpoint = Endpoint(server: configuration, at: now, random: &random, memory: memory)
        var head = Array(
            ("GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n").utf8)
        head.withUnsafeMutableBytes { bytes in
            var input = ReadBuffer(bytes)
            guard case .request = endpoint.receive(&input, at: now), let request = endpoint.request,
                let handshake = try? ServerHandshake(request.request)
            else { fatalError("the opening handshake has failed") }
            endpoint.accept(handshake.response(), at: now, random: &random)
        }
        endpoint.drainOutput(random: &random) { _ in }
    }

    deinit {
        output.deallocate()
    }

    /// Allocations per message, after some that are not counted.
    func allocations(for traffic: CoreTraffic, messages: Int = 200) -> Double {
        var frames = traffic.frames
        return frames.withUnsafeMutableBytes { frames in
            for _ in 0..<20 { step(frames, traffic.piece) }
            let before = allocation_count()
            for _ in 0..<messages { step(frames, traffic.piece) }
            return Double(allocation_count() - before) / Double(messages)
        }
    }

    private func step(_ frames: UnsafeMutableRawBufferPointer, _ piece: Int) {
        guard !frames.isEmpty else { return send() }
        var messages = 0
        var start = 0
        while start < frames.count {
            let count = min(piece, frames.count - start)
            var input = ReadBuffer(UnsafeMutableRawBufferPointer(rebasing: frames[start..<(start + count)]))
            while true {
                let event = endpoint.receive(&input, at: now)
                if case .needsInput = event { break }
                if case .inProgress = event { continue }
                guard case .message = event else { fatalError("unexpected: \(event)") }
                messages += 1
            }
            start += count
        }
        guard messages == 1 else { fatalError("\(messages) messages where one was sent") }
    }

    private func send() {
        do throws(Endpoint.SendError) {
            let header = try endpoint.dataFrame(.binary, payloadLength: 1_024, random: &random)
            _ = header.write(UnsafeRawBufferPointer(start: output, count: 1_024), to: output + 2_048)
        } catch {
            fatalError("\(error)")
        }
    }
}
