import Testing

@testable import LifelineCore

@Suite("§5.2 the base framing protocol: what is read")
struct BaseFramingTests {
    @Test(
        "§5.2 lengths near each boundary of the encoding are read",
        arguments: [0, 1, 124, 125, 126, 127, 128, 65_535, 65_536], WebSocketRole.allCases)
    func lengths(_ length: Int, role: WebSocketRole) {
        let payload = (0..<length).map { UInt8(truncatingIfNeeded: $0) }
        let harness = EndpointHarness.open(role)
        harness.receive(.binary(payload))
        #expect(harness.events == [.binary(payload)])
    }

    @Test(
        "§5.2 a length that is not minimally encoded is rejected", arguments: [0, 1, 125, 126, 65_535],
        WebSocketRole.allCases)
    func notMinimal(_ length: Int, role: WebSocketRole) {
        for size in [2, 8] where !(size == 2 && length > 125) {
            var frame = WireFrame.binary(Array(repeating: 0, count: length))
            frame.lengthFieldSize = size
            let harness = EndpointHarness.open(role)
            harness.receive(frame.bytes(from: role.peer))
            #expect(harness.events == [.closed])
            harness.expectFailed(with: 1002)
        }
    }

    @Test(
        "§5.2 a 64-bit length with its most significant bit set is rejected",
        arguments: [0x8000_0000_0000_0000, .max, 0x8000_0000_0000_0005, 0xFFFF_FFFF_0000_0000] as [UInt64])
    func highBit(_ length: UInt64) {
        var configuration = EndpointConfiguration.server
        configuration.maximumFrameSize = .max
        configuration.maximumMessageSize = .max
        let server = EndpointHarness.open(.server, configuration: configuration)
        server.receive(WireFrame(opcode: 2, payload: [], declaredLength: length).bytes(from: .client))
        server.expectFailed(with: 1002)
    }

    @Test("§5.2 the largest length is accepted if the limits allow it, without allocating")
    func greatestLength() {
        var configuration = EndpointConfiguration.server
        configuration.maximumFrameSize = .max
        configuration.maximumMessageSize = .max
        let server = EndpointHarness.open(.server, configuration: configuration, delivery: .chunks)
        let greatest = UInt64(Int64.max)
        server.receive(
            WireFrame(opcode: 2, payload: [1, 2, 3], declaredLength: greatest).bytes(from: .client))
        #expect(server.events == [.chunk(.binary, [1, 2, 3], isFirst: true, isLast: false)])
        server.expectOpen()
    }

    @Test(
        "§5.2 each reserved bit fails the connection on every kind of frame", arguments: UInt8(1)...7,
        [WireFrame.text("text"), .binary([1]), .ping("ping"), .pong(), .close(1000)])
    func reservedBits(_ bits: UInt8, frame: WireFrame) {
        for role in [WebSocketRole.client, .server] {
            var frame = frame
            frame.reserved = bits
            let harness = EndpointHarness.open(role)
            harness.receive(frame.bytes(from: role.peer))
            #expect(harness.events == [.closed])
            harness.expectFailed(with: 1002)
        }
    }

    @Test("§5.2 reserved bits on a continuation fail the connection", arguments: UInt8(1)...7)
    func reservedBitsOnContinuation(_ bits: UInt8) {
        var continuation = WireFrame.continuation("end", isFinal: true)
        continuation.reserved = bits
        let server = EndpointHarness.open(.server)
        server.receive(.text("start", isFinal: false), continuation)
        server.expectFailed(with: 1002)
    }

    @Test("§5.2 the violation names the bits that are set")
    func reservedBitsAreNamed() {
        var frame = WireFrame.text("text")
        frame.reserved = 5
        let server = EndpointHarness.open(.server)
        server.receive(frame)
        #expect(server.violation?.description.hasPrefix("RSV1 and RSV3 set") == true)
    }

    @Test(
        "§5.2 reserved opcodes fail the connection", arguments: Array(UInt8(0x3)...0x7) + Array(0xB...0xF),
        WebSocketRole.allCases)
    func reservedOpcodes(_ opcode: UInt8, role: WebSocketRole) {
        for isFinal in [true, false] {
            let harness = EndpointHarness.open(role)
            harness.receive(WireFrame(opcode: opcode, isFinal: isFinal, payload: [1, 2]))
            #expect(harness.events == [.closed])
            harness.expectFailed(with: 1002)
        }
        #expect(Opcode(rawValue: opcode).isReserved)
    }

    @Test("§5.2 a reserved opcode inside a message fails the connection too")
    func reservedOpcodeInsideMessage() {
        let server = EndpointHarness.open(.server)
        server.receive(.text("start", isFinal: false), WireFrame(opcode: 0x3, payload: []))
        server.expectFailed(with: 1002)
    }

    @Test("§5.2 defined opcodes are not reserved, and are classified as data or control")
    func opcodes() {
        let control: [Opcode] = [.close, .ping, .pong]
        let data: [Opcode] = [.continuation, .text, .binary]
        #expect((control + data).allSatisfy { !$0.isReserved })
        #expect(control.map(\.isControl) == [true, true, true])
        #expect(!data.contains { $0.isControl })
        #expect((data + control).map(\.rawValue) == [0x0, 0x1, 0x2, 0x8, 0x9, 0xA])
        #expect(
            (data + control + [Opcode(rawValue: 0xB)]).map(\.description) == [
                "continuation", "text", "binary", "close", "ping", "pong", "0xB",
            ])
    }

    @Test("§5.2 a violation is detected with the header's first two bytes")
    func seenEarly() {
        let violations: [WireFrame] = [
            WireFrame(opcode: 0x3, payload: Array(repeating: 0, count: 300)),
            WireFrame(opcode: 0x1, reserved: 4, payload: Array(repeating: 0, count: 300)),
            WireFrame(opcode: 0x9, isFinal: false, payload: [1]),
            .continuation(Array(repeating: 0, count: 300), isFinal: true),
        ]
        for frame in violations {
            let server = EndpointHarness.open(.server)
            let bytes = frame.bytes(from: .client)
            server.receive([bytes[0]])
            server.expectOpen()
            server.receive([bytes[1]])
            server.expectFailed(with: 1002)
        }
    }

    @Test("§5.2 an observer receives each header before its payload", arguments: WebSocketRole.allCases)
    func reportedFrames(role: WebSocketRole) {
        let harness = EndpointHarness.open(role)
        harness.endpoint.reportsFrames = true
        let frames: [WireFrame] = [
            .text("Hel", isFinal: false), .ping("p"), .continuation("lo", isFinal: true), .binary([]), .close(1000),
        ]
        harness.receiveByteByByte(frames.bytes(from: role.peer))
        let key = role == .server ? MaskingKey(0x37, 0xFA, 0x21, 0x3D) : nil
        func header(_ opcode: Opcode, _ length: UInt64, isFinal: Bool = true) -> RecordedEvent {
            .frame(FrameHeader(opcode: opcode, isFinal: isFinal, maskingKey: key, payloadLength: length))
        }
        #expect(
            harness.events == [
                header(.text, 3, isFinal: false), header(.ping, 1), .ping("p"), header(.continuation, 2),
                .text("Hello"), header(.binary, 0), .binary([]), header(.close, 2), .closed,
            ])
    }
}
