import Lifeline
import LifelineTrace
import Testing

@Suite("Decoding the bytes that pass through a proxy") struct ConversationDecoderTests {
    private static let request =
        "GET /chat?a=1 HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    private static let answer =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    private static let plain = answer + "\r\n"
    private static let compressing = answer + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"

    /// A frame with a mask where it is the client's.
    private static func frame(
        _ first: UInt8, _ payload: [UInt8], from sender: WebSocketRole, length: UInt64? = nil
    ) -> [UInt8] {
        let mask: UInt8 = sender == .client ? 0x80 : 0
        let count = length ?? UInt64(payload.count)
        var bytes = [first]
        switch count {
        case ...125: bytes.append(mask | UInt8(count))
        case ...0xFFFF: bytes += [mask | 126, UInt8(count >> 8), UInt8(truncatingIfNeeded: count)]
        default:
            bytes.append(mask | 127)
            bytes += (0..<8).map { UInt8(truncatingIfNeeded: count >> UInt64(56 - 8 * $0)) }
        }
        guard sender == .client else { return bytes + payload }
        let key: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]
        return bytes + key + payload.enumerated().map { $1 ^ key[$0 & 3] }
    }

    private struct Step {
        var sender: WebSocketRole
        var bytes: [UInt8]

        static func client(_ text: String) -> Step { Step(sender: .client, bytes: Array(text.utf8)) }
        static func server(_ text: String) -> Step { Step(sender: .server, bytes: Array(text.utf8)) }
        static func client(_ first: UInt8, _ payload: [UInt8]) -> Step {
            Step(sender: .client, bytes: frame(first, payload, from: .client))
        }
        static func server(_ first: UInt8, _ payload: [UInt8]) -> Step {
            Step(sender: .server, bytes: frame(first, payload, from: .server))
        }
    }

    /// Returns the kinds of events of the steps, passed in pieces of so many bytes.
    private static func kinds(
        _ steps: [Step], pieces: Int = .max, payloadLimit: Int = 1000, ends: Bool = false
    ) -> [TraceEvent.Kind] {
        var decoder = ConversationDecoder(connection: 7, payloadLimit: payloadLimit)
        var events: [TraceEvent] = []
        for step in steps {
            var rest = step.bytes[...]
            while !rest.isEmpty {
                let piece = Array(rest.prefix(pieces))
                rest = rest.dropFirst(piece.count)
                events += piece.withUnsafeBytes { decoder.read($0, from: step.sender, at: 5) }
            }
        }
        if ends { events += decoder.ended(at: 9) }
        #expect(events.allSatisfy { $0.connection == 7 && $0.observer == .server })
        return events.map(\.kind)
    }

    private static let hello = Array("hello".utf8)
    /// `hello` as RFC 7692 §7.2.3.1 compresses `Hello`, and again with the window kept (§7.2.3.2).
    private static let compressedHello: [UInt8] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]
    private static let compressedHelloAgain: [UInt8] = [0xF2, 0x00, 0x11, 0x00, 0x00]

    private static let conversation: [Step] = [
        .client(request), .server(compressing), .client(0x81, hello),
        .client(0x01, Array("he".utf8)), .client(0x89, [1, 2]), .client(0x80, Array("llo".utf8)),
        .server(0x8A, [1, 2]), .server(0x82, Array(repeating: 9, count: 300)),
        .client(0xC1, compressedHello), .client(0xC1, compressedHelloAgain),
        .server(0x41, Array(compressedHello.prefix(3))), .server(0x80, Array(compressedHello.dropFirst(3))),
        .server(0x89, [7]), .client(0x8A, [7]), .server(0x82, []),
        .client(0x88, [0x03, 0xE8] + Array("bye".utf8)), .server(0x88, [0x03, 0xE8]),
    ]

    @Test("A connection is decoded, however its bytes are split")
    func conversation() {
        let kinds = Self.kinds(Self.conversation, ends: true)
        let messages = kinds.compactMap { kind -> String? in
            guard case .message(let direction, let message) = kind else { return nil }
            return "\(direction) \(message.isText) \(message.size) \(message.wireSize) \(message.isCompressed) "
                + "\(message.frames) " + (message.isText ? String(decoding: message.payload ?? [], as: UTF8.self) : "")
        }
        #expect(
            messages == [
                "received true 5 5 false 1 hello", "received true 5 5 false 2 hello", "sent false 300 300 false 1 ",
                "received true 5 7 true 1 Hello", "received true 5 5 true 1 Hello", "sent true 5 7 true 2 Hello",
                "sent false 0 0 false 1 ",
            ])
        #expect(kinds.count { $0 == .roundTrip(nanoseconds: 0) } == 2, "a Ping of either side, answered")
        #expect(
            kinds.contains(
                .compressed(
                    .init(sentBytes: 5, sentWireBytes: 7, receivedBytes: 10, receivedWireBytes: 12))))
        #expect(
            kinds.suffix(2) == [
                .ended(.init(initiator: .peer, isClean: true, code: 1000, reason: "bye")), .tcpEnded,
            ])
        for case .frame(let direction, let frame) in kinds { #expect(frame.isMasked == (direction == .received)) }
        for pieces in 1...40 {
            #expect(Self.kinds(Self.conversation, pieces: pieces, ends: true) == kinds, "\(pieces)")
        }
    }

    @Test("Frames in one piece with the response are decoded")
    func early() {
        let both = Step(sender: .server, bytes: Array(Self.plain.utf8) + Self.frame(0x81, Self.hello, from: .server))
        // A client may not send frames so early, but they are not lost.
        let request = Step(
            sender: .client, bytes: Array(Self.request.utf8) + Self.frame(0x81, Self.hello, from: .client))
        let kinds = Self.kinds([request, both])
        let frames = kinds.count { if case .frame = $0 { true } else { false } }
        #expect(frames == 2)
        #expect(Self.kinds([request, both], pieces: 1).count == kinds.count)
    }

    @Test("Heads are parsed leniently")
    func heads() {
        let kinds = Self.kinds([.client("\r\nGET / HTTP/1.1\nhost:  h \nX: y\n\n"), .server("HTTP/1.1 404\r\n\r\n")])
        guard case .request(.received, let head)? = kinds.first else {
            Issue.record("\(kinds)")
            return
        }
        #expect((head.method, head.target, head.authority) == ("GET", "/", "h"))
        #expect(head["x"] == "y")
    }

    @Test("Other HTTP is decoded, one request after the other")
    func otherHTTP() {
        let kinds = Self.kinds(
            [
                .client("POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd"),
                .server("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"),
                .client("HEAD / HTTP/1.1\r\n\r\n"), .server("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"),
                .client(Self.request), .server("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
                .client(Self.request), .server(Self.plain), .client(0x81, Self.hello),
            ], pieces: 3)
        let statuses = kinds.compactMap { kind in
            if case .response(_, let head) = kind { head.status } else { nil }
        }
        #expect(statuses == [100, 200, 200, 403, 101])
        guard case .message(.received, _)? = kinds.last else {
            Issue.record("\(kinds)")
            return
        }
    }

    @Test("RFC 9112 §7.1 requests and responses behind bodies in chunks are decoded", arguments: [Int.max, 1, 7])
    func chunks(pieces: Int) {
        let kinds = Self.kinds(
            [
                .client("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
                .server("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n4;x\r\nHTTP\r\n0\r\nX: y\r\n\r\n"),
                .client(Self.request), .server(Self.plain), .client(0x81, Self.hello),
            ], pieces: pieces)
        let statuses = kinds.compactMap { kind in
            if case .response(_, let head) = kind { head.status } else { nil }
        }
        #expect(statuses == [200, 101])
        guard case .message(.received, _)? = kinds.last else {
            Issue.record("\(kinds)")
            return
        }
    }

    @Test(
        "RFC 9112 §6.3 behind a body whose end is unknown nothing is decoded",
        arguments: [
            "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nx",
            "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        ])
    func unknownBody(rest: String) {
        let kinds = Self.kinds([.client("POST / HTTP/1.1\r\n" + rest), .client(Self.request)])
        guard kinds.count == 2, case .note = kinds[1] else {
            Issue.record("\(kinds)")
            return
        }
    }

    @Test("RFC 7692 §6 RSV1 inside a message breaks a rule, unless an unknown extension was agreed")
    func compressionInsideMessage() {
        let frames: [Step] = [.client(0x41, []), .client(0xC0, [])]
        let strict = Self.kinds([.client(Self.request), .server(Self.compressing)] + frames)
        guard case .note(let note)? = strict.last else {
            Issue.record("\(strict)")
            return
        }
        #expect(note.contains("RSV1") && note.contains("RFC 7692 §6"))
        let unknown = Self.answer + "Sec-WebSocket-Extensions: x-unknown\r\n\r\n"
        let tolerant = Self.kinds([.client(Self.request), .server(unknown)] + frames)
        #expect(tolerant.count { if case .frame = $0 { true } else { false } } == 2)
    }

    @Test("Bytes that are not HTTP are reported once")
    func notHTTP() {
        let garbage: [UInt8] = [0x16, 0x03, 0x01, 0x02, 0x00]
        let steps = [
            Step(sender: .client, bytes: garbage), Step(sender: .client, bytes: garbage),
            Step(sender: .server, bytes: garbage),
        ]
        let kinds = Self.kinds(steps)
        #expect(kinds.count == 2)
        #expect(Self.kinds([.client(String(repeating: "x", count: 70_000))]).count == 1)
        #expect(Self.kinds([.client("hello\r\n\r\n")]).count == 1)
        // Another protocol than WebSocket.
        let other = Self.kinds([
            .client("GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n"), .server("HTTP/1.1 101 x\r\nUpgrade: h2c\r\n\r\n"),
            .server("PRI"), .client("PRI"),
        ])
        #expect(other.count == 3)
        #expect(Self.kinds([.client(Self.request), .client(String(repeating: "x", count: 70_000))]).count == 2)
    }

    @Test(
        "A frame that breaks a rule ends the decoding of its direction",
        arguments: [
            [0x83, 0x80, 0, 0, 0, 0], [0x09, 0x80, 0, 0, 0, 0], [0x89, 0xFE, 0, 200, 0, 0, 0, 0],
            [0xC1, 0x80, 0, 0, 0, 0],
            [0x80, 0x80, 0, 0, 0, 0], [0xA1, 0x80, 0, 0, 0, 0],
            [0x81, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0],
        ] as [[UInt8]])
    func violations(_ bytes: [UInt8]) {
        let kinds = Self.kinds([
            .client(Self.request), .server(Self.plain), Step(sender: .client, bytes: bytes), .client(0x81, Self.hello),
            .server(0x81, Self.hello),
        ])
        #expect(kinds.count == 6)
        guard case .note? = kinds.dropFirst(3).first, case .message(.sent, _)? = kinds.last else {
            Issue.record("\(kinds)")
            return
        }
    }

    @Test("Compressed messages that cannot be decompressed are reported, and frames are still decoded")
    func corruptDeflate() {
        let kinds = Self.kinds([
            .client(Self.request), .server(Self.compressing), .client(0xC1, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
            .client(0xC1, Self.compressedHello), .client(0x81, Self.hello), .server(0xC1, Self.compressedHello),
        ])
        let notes = kinds.count { if case .note = $0 { true } else { false } }
        let frames = kinds.count { if case .frame = $0 { true } else { false } }
        let messages = kinds.count { if case .message = $0 { true } else { false } }
        #expect((notes, frames, messages) == (1, 4, 2))
    }

    @Test("A message that inflates to too much is not decompressed to its end")
    func bomb() {
        // 20 MiB of zeros.
        var payload: [UInt8] = [0xEC, 0xC1, 0x01, 0x01, 0x00, 0x00, 0x00, 0x80, 0x90, 0xFE, 0xAF, 0xEE, 0x08, 0x0A]
        payload += Array(repeating: 0x00, count: 20_371) + [0xF0, 0x14, 0x00]
        let kinds = Self.kinds([.client(Self.request), .server(Self.compressing), .client(0xC2, payload)])
        guard kinds.count == 4, case .note(let note) = kinds[2], case .frame(_, let frame) = kinds[3] else {
            Issue.record("\(kinds.count)")
            return
        }
        #expect(note.contains("16 MiB"))
        #expect(frame.payload == nil)
    }

    @Test(
        "Payloads of data frames are kept up to payloadLimit",
        arguments: [(0, nil), (10, 10), (.max, 70_000)] as [(Int, Int?)])
    func payloadLimits(limit: Int, kept: Int?) {
        let long = Array(repeating: UInt8(ascii: "x"), count: 70_000)
        let steps: [Step] = [.client(Self.request), .server(Self.plain), .client(0x81, long), .client(0x89, [1])]
        let kinds = Self.kinds(steps, pieces: 4096, payloadLimit: limit)
        for case .frame(_, let frame) in kinds where frame.opcode == 1 { #expect(frame.payload?.count == kept) }
        for case .message(_, let message) in kinds {
            #expect((message.payload?.count, message.size) == (kept, 70_000))
        }
        for case .frame(_, let frame) in kinds where frame.opcode == 9 { #expect(frame.payload == [1]) }
    }

    @Test("The ends of both directions are reported")
    func ends() {
        var decoder = ConversationDecoder(connection: 1, payloadLimit: 10)
        for step in [Step.client(Self.request), .server(Self.plain)] {
            _ = step.bytes.withUnsafeBytes { decoder.read($0, from: step.sender, at: 1) }
        }
        #expect(decoder.finished(.server, at: 2).map(\.kind) == [.finished(.sent)])
        #expect(decoder.finished(.server, at: 2).isEmpty)
        #expect(decoder.failed(.client, "reset", at: 3).count == 1)
        let kinds = decoder.ended(at: 4).map(\.kind)
        #expect(
            kinds == [
                .ended(.init(initiator: .local, isClean: false, code: 1006, reason: "", failure: "client: reset")),
                .tcpEnded,
            ])
    }

    @Test("Random bytes do not trap or grow memory")
    func fuzz() {
        var random = SystemRandomNumberGenerator()
        for round in 0..<300 {
            var steps: [Step] = round % 2 == 0 ? [.client(Self.request), .server(Self.compressing)] : []
            for _ in 0..<8 {
                let count = Int.random(in: 0...400, using: &random)
                let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
                steps.append(Step(sender: Bool.random() ? .client : .server, bytes: bytes))
            }
            _ = Self.kinds(steps, pieces: Int.random(in: 1...100, using: &random), ends: true)
        }
        var mutated = Self.conversation
        for _ in 0..<500 {
            let step = Int.random(in: 0..<mutated.count, using: &random)
            mutated[step].bytes[Int.random(in: 0..<mutated[step].bytes.count, using: &random)] ^=
                1 << UInt8.random(in: 0...7)
            _ = Self.kinds(mutated, ends: true)
        }
    }
}
