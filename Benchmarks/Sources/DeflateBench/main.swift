// What compression costs and saves: CPU time a message, ratio and memory a connection, for messages from a file, one a line;
// beside zlib in a loop of C, which is the limit. Usage:
//
//   DeflateBench FILE [--window-bits N] [--memory-level N] [--level N] [--no-takeover] [--rounds N] [--seconds S]
//
// Prints one JSON object. The endpoints are those of the library, without sockets: what is compared is all that lies between
// a message and the bytes of its frames. Both take turns, and each figure is the median of the rounds.

import CPlainZlib
import HTTPTypes
import LifelineCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// A file's lines, one behind the other.
struct Messages {
    var bytes: [UInt8] = []
    var lengths: [Int] = []

    init(lines text: [UInt8]) {
        for line in text.split(separator: 0x0A) {
            bytes += line
            lengths.append(line.count)
        }
    }

    init(bytes: [UInt8], lengths: [Int]) {
        self.bytes = bytes
        self.lengths = lengths
    }

    /// Calls a function with each message.
    func visit(_ body: (UnsafeRawBufferPointer) -> Void) {
        bytes.withUnsafeBytes { all in
            var start = 0
            for length in lengths {
                body(UnsafeRawBufferPointer(rebasing: all[start..<(start + length)]))
                start += length
            }
        }
    }

    func withPlain<Result>(_ body: (plain_messages) -> Result) -> Result {
        bytes.withUnsafeBufferPointer { bytes in
            lengths.withUnsafeBufferPointer { lengths in
                body(plain_messages(bytes: bytes.baseAddress, lengths: lengths.baseAddress, count: lengths.count))
            }
        }
    }
}

struct Options {
    var file = ""
    var windowBits = 15
    var memoryLevel = 8
    var level = 6
    var takeover = true
    var rounds = 7
    var seconds = 0.3
}

func stop(_ message: String) -> Never {
    var line = "DeflateBench: \(message)\n"
    line.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    exit(2)
}

func parse(_ arguments: [String]) -> Options {
    var options = Options()
    var rest = arguments[...]
    func value(_ name: String) -> String {
        guard let value = rest.popFirst() else { stop("\(name) needs a value") }
        return value
    }
    func number(_ name: String, _ range: ClosedRange<Int>) -> Int {
        let text = value(name)
        guard let number = Int(text), range.contains(number) else { stop("\(name) must be in \(range), not \(text)") }
        return number
    }
    while let argument = rest.popFirst() {
        switch argument {
        case "--window-bits": options.windowBits = number(argument, 8...15)
        case "--memory-level": options.memoryLevel = number(argument, 1...9)
        case "--level": options.level = number(argument, 1...9)
        case "--no-takeover": options.takeover = false
        case "--rounds": options.rounds = number(argument, 1...1000)
        case "--seconds":
            let text = value(argument)
            guard let seconds = Double(text), seconds > 0 else { stop("--seconds must be positive, not \(text)") }
            options.seconds = seconds
        default:
            guard !argument.hasPrefix("--"), options.file.isEmpty else { stop("what is \(argument)?") }
            options.file = argument
        }
    }
    guard !options.file.isEmpty else { stop("a file with a message a line is needed") }
    return options
}

func read(_ path: String) -> [UInt8] {
    guard let file = fopen(path, "r") else { stop("cannot read \(path)") }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = fread(&block, 1, block.count, file)
        guard count > 0 else { return bytes }
        bytes += block[..<count]
    }
}

/// A side of a connection that has agreed on compression, past its opening handshake.
final class Side {
    var endpoint: Endpoint
    var random = RandomPool()
    let now = MonotonicInstant(nanoseconds: 1_000_000_000)

    init(_ role: WebSocketRole, _ configuration: EndpointConfiguration, memory: MemoryPool) {
        let agreement = configuration.compression!.parameters
        switch role {
        case .server:
            endpoint = Endpoint(server: configuration, at: now, random: &random, memory: memory)
            receive(
                "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                    + "Sec-WebSocket-Extensions: \(agreement.offer)\r\n\r\n")
            do {
                let handshake = try ServerHandshake(endpoint.request!.request)
                endpoint.accept(
                    handshake.response(extensions: [agreement.answer]), compression: agreement, at: now,
                    random: &random)
            } catch {
                stop("\(error)")
            }
        case .client:
            do {
                let request = try ClientHandshake(
                    authority: "a", path: "/", extensions: [agreement.offer], random: &random)
                endpoint = Endpoint(
                    client: request, configuration: configuration, at: now, random: &random, memory: memory)
                let response = try ServerHandshake(request.request).response(extensions: [agreement.answer])
                receive(
                    "HTTP/1.1 101 Switching Protocols\r\n"
                        + response.headerFields.map { "\($0.name): \($0.value)\r\n" }.joined() + "\r\n")
            } catch {
                stop("\(error)")
            }
        }
        endpoint.drainOutput(random: &random) { _ in }
    }

    private func receive(_ text: String) {
        var bytes = Array(text.utf8)
        bytes.withUnsafeMutableBytes { memory in
            var input = ReadBuffer(memory)
            _ = endpoint.receive(&input, at: now)
        }
    }

    /// Compresses a message and writes its frame. Returns the frame's length.
    func send(_ payload: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer) -> Int {
        do {
            guard let compressed = endpoint.compress(payload, .only, .always, at: now) else { stop("not compressed") }
            let header = try endpoint.dataFrame(
                .text, payloadLength: compressed.count, isCompressed: true, random: &random)
            return compressed.withUnsafeBytes { header.write($0, to: target) }
        } catch {
            stop("\(error)")
        }
    }

    /// Reads frames. Returns the bytes of the messages.
    func receive(_ bytes: UnsafeMutableRawBufferPointer) -> Int {
        var input = ReadBuffer(bytes)
        var total = 0
        while true {
            switch endpoint.receive(&input, at: now) {
            case .message(_, let payload): total += payload.count
            case .inProgress: break
            case .needsInput: return total
            default: stop("the connection ended: \(String(describing: endpoint.outcome))")
            }
        }
    }
}

func median(_ values: [Double]) -> Double {
    values.sorted()[values.count / 2]
}

/// The CPU time that messages have taken since it was last looked at, in seconds, without the making of endpoints and
/// streams.
var seconds = 0.0

/// The CPU time that the messages of a call take, in seconds.
@MainActor
func time(_ body: @MainActor () -> Void) -> Double {
    seconds = 0
    body()
    return seconds
}

let options = parse(Array(CommandLine.arguments.dropFirst()))
let messages = Messages(lines: read(options.file))
guard !messages.lengths.isEmpty else { stop("\(options.file) has no messages") }
let agreement = PerMessageDeflate(
    serverNoContextTakeover: !options.takeover, clientNoContextTakeover: !options.takeover,
    serverMaxWindowBits: options.windowBits, clientMaxWindowBits: options.windowBits)
let budget = CompressionBudget(limit: 1 << 30)
var compression = CompressionConfiguration()
compression.parameters = agreement
compression.level = options.level
compression.memoryLevel = options.memoryLevel
compression.budget = budget
compression.idleTimeout = .seconds(5)
var configuration = EndpointConfiguration.server
configuration.compression = compression
configuration.maximumMessageSize = 16 << 20
configuration.maximumFrameSize = 16 << 20
let memory = MemoryPool()
let room = messages.bytes.count * 2 + messages.lengths.count * 64 + 65_536
let output = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 16)
let plainOutput = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 16)
var plainLengths = [Int](repeating: 0, count: messages.lengths.count)
let plainSettings = plain_settings(
    window_bits: Int32(max(options.windowBits, 9)), memory_level: Int32(options.memoryLevel),
    level: Int32(options.level), takeover: options.takeover ? 1 : 0)

/// Sends all messages from one side, which is new each time as the plain loop's compressor is.
@MainActor
func sendAll() -> Int {
    let server = Side(.server, configuration, memory: memory)
    var written = 0
    let start = cpu_seconds()
    messages.visit { written += server.send($0, to: output.baseAddress! + written) }
    seconds += cpu_seconds() - start
    return written
}

@MainActor
func receiveAll(_ count: Int) -> Int {
    let client = Side(.client, configuration, memory: memory)
    let start = cpu_seconds()
    let received = client.receive(UnsafeMutableRawBufferPointer(rebasing: output[..<count]))
    seconds += cpu_seconds() - start
    return received
}

@MainActor
func plainDeflate() -> Int {
    let written = messages.withPlain { messages in
        plain_deflate(
            messages, plainSettings, plainOutput.baseAddress!.assumingMemoryBound(to: UInt8.self), room, &plainLengths,
            &seconds)
    }
    guard written > 0 else { stop("zlib failed to compress") }
    return written
}

let plainCompressed = plainDeflate()
let wire = Messages(bytes: Array(plainOutput[..<plainCompressed]), lengths: plainLengths)
let frames = sendAll()
guard receiveAll(frames) == messages.bytes.count else { stop("what was received is not what was sent") }

@MainActor
func plainInflate() {
    let given = wire.withPlain { messages in
        plain_inflate(
            messages, plainSettings, plainOutput.baseAddress!.assumingMemoryBound(to: UInt8.self), room, &seconds)
    }
    guard given == messages.bytes.count else { stop("zlib failed to decompress") }
}

// How often all messages have to go through for one measurement, so that making the compressors anew does not count.
let once = max(time { _ = plainDeflate() }, 1e-6)
let repeats = max(1, Int(options.seconds / once / 8))
var figures: [String: [Double]] = [:]
for round in 0...options.rounds {
    let steps: [(String, @MainActor () -> Void)] = [
        ("send", { for _ in 0..<repeats { _ = sendAll() } }),
        ("plainSend", { for _ in 0..<repeats { _ = plainDeflate() } }),
        ("receive", { for _ in 0..<(repeats * 4) { _ = receiveAll(frames) } }),
        ("plainReceive", { for _ in 0..<(repeats * 4) { plainInflate() } }),
    ]
    for (name, step) in steps {
        let count = Double(messages.lengths.count * repeats * (name.hasSuffix("eceive") ? 4 : 1))
        let seconds = time(step)
        // The first round warms up.
        if round > 0 { figures[name, default: []].append(seconds / count * 1e6) }
    }
}

// What a connection holds: while it is in use, and after it has been idle.
var used = 0
var idle = 0
do {
    let pool = MemoryPool()
    let server = Side(.server, configuration, memory: pool)
    let client = Side(.client, configuration, memory: pool)
    messages.visit { message in
        let count = server.send(message, to: output.baseAddress!)
        _ = client.receive(UnsafeMutableRawBufferPointer(rebasing: output[..<count]))
    }
    // One direction of each: together as much as both of one connection.
    used = server.endpoint.compressionMemory + client.endpoint.compressionMemory
    for _ in 0..<3 {
        if let deadline = server.endpoint.deadline { server.endpoint.advance(to: deadline) }
        if let deadline = client.endpoint.deadline { client.endpoint.advance(to: deadline) }
    }
    idle = server.endpoint.compressionMemory + client.endpoint.compressionMemory
}

let ratio = Double(messages.bytes.count) / Double(plainCompressed)
@MainActor
func microseconds(_ name: String) -> String { "\"\(name)\": \(median(figures[name]!))" }
print(
    """
    {"messages": \(messages.lengths.count), "bytes": \(messages.bytes.count), "ratio": \(ratio), \
    \(microseconds("send")), \(microseconds("plainSend")), \(microseconds("receive")), \(microseconds("plainReceive")), \
    "memory": \(used), "idleMemory": \(idle)}
    """)
