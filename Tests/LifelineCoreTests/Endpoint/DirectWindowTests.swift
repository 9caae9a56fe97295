import Testing

@testable import LifelineCore

/// Large messages that are received straight into the memory in which they are put together.
@Suite("Receiving directly into a message's buffer")
struct DirectWindowTests {
    static let least = Endpoint.minimumDirectSize

    /// A payload in which every byte tells where it stands.
    static func payload(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    }

    static func open(
        _ role: WebSocketRole = .server, messageSize: Int = 1 << 20, delivery: Endpoint.Delivery = .messages
    )
        -> EndpointHarness
    {
        var configuration = role == .server ? EndpointConfiguration.server : .client
        configuration.maximumMessageSize = messageSize
        configuration.maximumFrameSize = messageSize
        return .open(role, configuration: configuration, delivery: delivery)
    }

    /// An endpoint that has read a binary frame's header and the first bytes of its payload.
    static func begun(_ role: WebSocketRole = .server, first: Int, of count: Int) -> EndpointHarness {
        let harness = open(role)
        let frame = WireFrame.binary(payload(count))
        let header = frame.header.count + (role == .server ? 4 : 0)
        harness.receive(Array(frame.bytes(from: role.peer).prefix(header + first)))
        return harness
    }

    // MARK: What is received

    @Test("Messages do not depend on how their bytes are split", arguments: [WebSocketRole.server, .client])
    func pieces(role: WebSocketRole) {
        let size = 2 * Self.least + 17
        let message = Self.payload(size)
        let bytes = [WireFrame.binary(message), .text("next"), .binary(message), .ping("?")].bytes(from: role.peer)
        var generator = SplitMix64(seed: 77)
        for piece in [509, 4099, Self.least, Self.least + 1, size, 10 * size, 0] {
            let harness = Self.open(role)
            let direct = harness.receive(bytes) { piece == 0 ? 1 + generator.below(9000) : piece }
            #expect(
                harness.events == [.message(.binary, message), .text("next"), .message(.binary, message), .ping("?")])
            if piece != 10 * size, piece != size { #expect(direct > 0, "\(piece)") }
            harness.expectOpen()
        }
    }

    @Test("A frame may be split at any offset near a window's boundaries")
    func everySplit() {
        let size = Self.least + 40
        let message = Self.payload(size)
        let bytes = WireFrame.binary(message).masked(with: [1, 2, 3, 4]).bytes + WireFrame.text("!").masked().bytes
        for first in Array(0...60) + Array(bytes.count - 70..<bytes.count) {
            let harness = Self.open()
            var sizes = [first, 7, 5][...]
            harness.receive(bytes) { max(sizes.popFirst() ?? 4096, 1) }
            if harness.events != [.message(.binary, message), .text("!")] { Issue.record("split at \(first)") }
        }
    }

    @Test("Fragments with control frames between them are assembled", arguments: [999, 4096])
    func fragments(piece: Int) {
        let message = Self.payload(4 * Self.least)
        let (first, rest) = (Array(message.prefix(2 * Self.least + 3)), Array(message.dropFirst(2 * Self.least + 3)))
        let harness = Self.open()
        let direct = harness.receive(
            [
                .binary(first, isFinal: false), .ping("between"), .continuation([], isFinal: false),
                .continuation(rest, isFinal: true), .close(1000),
            ].bytes(from: .client)
        ) { piece }
        #expect(harness.events == [.ping("between"), .message(.binary, message), .closed])
        #expect(direct > Self.least)
    }

    @Test(
        "Text is validated as it arrives, including characters split across windows", arguments: [1021, 4093, 30_011])
    func text(piece: Int) {
        let text = String(repeating: "κόσμε 😀 plain ", count: 6000)
        let harness = Self.open()
        #expect(harness.receive(WireFrame.text(text).masked().bytes) { piece } > 0)
        #expect(harness.events == [.text(text)])
    }

    @Test("The first invalid byte of a text fails the connection")
    func badText() {
        var bytes = Array(repeating: UInt8(ascii: "a"), count: 4 * Self.least)
        bytes[2 * Self.least] = 0xFF
        let frame = WireFrame.text(bytes).masked().bytes
        let harness = Self.open()
        // The header takes fourteen bytes.
        let good = 14 + 2 * Self.least
        #expect(harness.receive(Array(frame.prefix(good))) { 4096 } > 0)
        harness.expectOpen()
        harness.receive([frame[good]]) { 4096 }
        harness.expectFailed(with: 1007)
        #expect(harness.endpoint.directWindow(for: 4096) == nil)
    }

    @Test("A text that ends inside a character fails at its last byte")
    func cutText() {
        let bytes = Array(repeating: UInt8(ascii: "a"), count: 2 * Self.least) + [0xE2, 0x82]
        let harness = Self.open()
        harness.receive(WireFrame.text(bytes).masked().bytes) { 4096 }
        harness.expectFailed(with: 1007)
    }

    @Test("A message that exceeds its limit fails at the header that exceeds it")
    func limits() {
        let harness = Self.open(messageSize: 4 * Self.least)
        harness.receive(
            [
                .binary(Self.payload(3 * Self.least), isFinal: false),
                .continuation(Self.payload(Self.least + 1), isFinal: true),
            ].bytes(from: .client)
        ) { 4096 }
        harness.expectFailed(with: 1009)
    }

    @Test("A message's memory is freed by the next call")
    func reuse() {
        let harness = Self.open()
        let one = Self.payload(3 * Self.least)
        let other = one.map { ~$0 }
        for _ in 0..<5 {
            harness.receive([.binary(one), .binary(other)].bytes(from: .client)) { 5000 }
            #expect(harness.takeEvents() == [.message(.binary, one), .message(.binary, other)])
        }
    }

    // MARK: Windows

    @Test("A window is as large as the bytes that arrived, and ends at the frame's end")
    func size() {
        let harness = Self.begun(first: 100, of: 1000 + Self.least)
        let outstanding = 900 + Self.least
        for arrived in [1, 50, 5000, outstanding] {
            let count = harness.endpoint.directWindow(for: arrived)?.count ?? 0
            #expect(count >= arrived && count <= outstanding)
        }
        #expect(harness.endpoint.directWindow(for: 10 * outstanding)?.count == outstanding)
    }

    @Test(
        "Memory grows with the bytes that arrived, not with the announced length",
        arguments: [1 << 20, 64 << 20, 1 << 40])
    func growth(announced: Int) {
        let pool = MemoryPool()
        var store = ByteStore(pool: pool)
        withUnsafeBytes(of: UInt64(7)) { store.append($0.baseAddress!, count: 8, expecting: announced) }
        for arrived in [8, 1000, 20_000, 200_000] {
            let room = store.room(for: arrived, of: announced - store.count)
            // A pool's blocks are powers of two, and none is smaller than its smallest.
            #expect(room.count >= arrived)
            #expect(room.count <= max(8 * (store.count + arrived), MemoryPool.minimumSize))
            store.append(room.baseAddress!, count: arrived)
        }
    }

    @Test("Bytes that are already in the buffer are not moved")
    func inPlace() {
        var store = ByteStore()
        [1, 2, 3 as UInt8].withUnsafeBytes { store.append($0.baseAddress!, count: 3) }
        let room = store.room(for: 1000, of: 1000)
        room.copyBytes(from: Array(repeating: 9, count: 1000))
        let before = store.bytes.baseAddress
        store.append(room.baseAddress!, count: 1000)
        #expect(store.count == 1003)
        #expect(store.bytes.baseAddress == before)
        #expect(Array(store.bytes) == [1, 2, 3] + Array(repeating: 9, count: 1000))
    }

    @Test("Requesting a window does not oblige the driver to use it")
    func askedInVain() {
        let message = Self.payload(4 * Self.least)
        let harness = Self.open()
        let bytes = WireFrame.binary(message).masked().bytes
        for start in stride(from: 0, to: bytes.count, by: 3000) {
            _ = harness.endpoint.directWindow(for: 2000)
            harness.receive(Array(bytes[start..<min(start + 3000, bytes.count)]))
            _ = harness.endpoint.directWindow(for: 1)
        }
        #expect(harness.events == [.message(.binary, message)])
    }

    @Test("No window is offered if nothing has arrived or little is missing")
    func none() {
        let idle = Self.open()
        #expect(idle.endpoint.directWindow(for: 100_000) == nil)
        let begun = Self.begun(first: 1, of: Self.least + 1)
        #expect(begun.endpoint.directWindow(for: 0) == nil)
        #expect(begun.endpoint.directWindow(for: 1) != nil)
        begun.receive([0])
        #expect(begun.endpoint.directWindow(for: 1) == nil, "one byte too few is outstanding")
        // Nothing of the message has arrived, and so there is nothing to grow from.
        let announced = Self.begun(first: 0, of: 2 * Self.least)
        #expect(announced.endpoint.directWindow(for: 1000) == nil)
    }

    @Test("No window is offered for chunks, or while frames are reported")
    func otherDelivery() {
        let chunks = Self.open(delivery: .chunks)
        chunks.receive(Array(WireFrame.binary(Self.payload(3 * Self.least)).masked().bytes.prefix(100)))
        #expect(chunks.endpoint.directWindow(for: 1000) == nil)
        let observed = Self.open()
        observed.endpoint.reportsFrames = true
        observed.receive(Array(WireFrame.binary(Self.payload(3 * Self.least)).masked().bytes.prefix(100)))
        #expect(observed.endpoint.directWindow(for: 1000) == nil)
    }

    @Test("No window is offered inside a compressed message")
    func compressed() {
        let harness = EndpointHarness.compressing(.server)
        // A block that is stored as it is (RFC 1951 §3.2.4).
        let payload = [0, 0xFF, 0xFF, 0, 0] + Self.payload(65_535) + [0, 0xFF, 0xFF, 0, 0] + Self.payload(65_535)
        let frame = WireFrame(opcode: 2, reserved: 4, payload: payload)
        harness.receive(Array(frame.masked().bytes.prefix(1000)))
        harness.expectOpen()
        #expect(harness.endpoint.directWindow(for: 1000) == nil)
    }

    @Test("After a switch to chunks, the first chunk has the bytes received directly")
    func changeOfDelivery() {
        let message = Self.payload(4 * Self.least)
        let bytes = WireFrame.binary(message).masked().bytes
        let harness = Self.open()
        #expect(harness.receive(Array(bytes.prefix(2 * Self.least))) { 4096 } > 0)
        harness.endpoint.delivery = .chunks
        #expect(harness.endpoint.directWindow(for: 1000) == nil)
        harness.receive(Array(bytes.dropFirst(2 * Self.least)))
        #expect(
            harness.events == [.chunk(.binary, message, isFirst: true, isLast: true)])
    }

    @Test(
        "No window is offered after a Close frame is sent, and the rest of the message is still received"
    )
    func closing() {
        let message = Self.payload(4 * Self.least)
        let bytes = WireFrame.binary(message).masked().bytes
        let harness = Self.open()
        harness.receive(Array(bytes.prefix(2 * Self.least))) { 4096 }
        #expect(harness.endpoint.directWindow(for: 1000) != nil)
        harness.close(.normalClosure)
        #expect(harness.endpoint.directWindow(for: 1000) == nil)
        harness.receive(Array(bytes.dropFirst(2 * Self.least)) + WireFrame.close(1000).masked().bytes) { 4096 }
        #expect(harness.events == [.message(.binary, message), .closed])
        #expect(harness.outcome?.isClean == true)
    }

    @Test("An end of stream inside a window is reported as one")
    func endOfStream() {
        let harness = Self.begun(first: 100, of: 4 * Self.least)
        _ = harness.endpoint.directWindow(for: 1000)
        harness.endpoint.receiveEnd(at: harness.now)
        #expect(harness.outcome?.failure == .endOfStream(insideFrame: true))
        #expect(harness.endpoint.directWindow(for: 1000) == nil)
    }
}
