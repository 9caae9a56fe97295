import Testing

@testable import LifelineCore

@Suite("RFC 7692 §7.2.3: examples")
struct DeflateExampleTests {
    private let hello = Array("Hello".utf8)
    private let compressedHello: [UInt8] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]

    @Test("§7.2.3.1: a message of one compressed DEFLATE block is decompressed", arguments: WebSocketRole.allCases)
    func oneBlock(role: WebSocketRole) throws {
        let harness = EndpointHarness.compressing(role)
        harness.receive(WireFrame(opcode: 1, reserved: 4, payload: compressedHello))
        #expect(harness.events == [.message(.text, hello)])
        try harness.send(.text, hello, compress: .always)
        let sent = try #require(harness.takeFrames().first)
        #expect(sent.reserved == 4 && sent.isFinal)
        #expect(sent.payload == compressedHello)
    }

    @Test("§7.2.3.1: a message of one compressed DEFLATE block in two fragments is decompressed")
    func twoFragments() {
        let server = EndpointHarness.compressing(.server)
        server.receive(
            WireFrame(opcode: 1, isFinal: false, reserved: 4, payload: Array(compressedHello[..<3])),
            .continuation(Array(compressedHello[3...]), isFinal: true))
        #expect(server.events == [.message(.text, hello)])
    }

    @Test("§7.2.3.2: messages that share the LZ77 sliding window are decompressed")
    func sharedWindow() throws {
        let server = EndpointHarness.compressing(.server)
        server.receive(
            WireFrame(opcode: 1, reserved: 4, payload: compressedHello),
            WireFrame(opcode: 1, reserved: 4, payload: [0xF2, 0x00, 0x11, 0x00, 0x00]))
        #expect(server.events == [.message(.text, hello), .message(.text, hello)])
        try server.send(.text, hello, compress: .always)
        try server.send(.text, hello, compress: .always)
        #expect(server.takeFrames().map(\.payload) == [compressedHello, [0xF2, 0x00, 0x11, 0x00, 0x00]])
    }

    @Test("§7.2.3.3: a DEFLATE block with no compression is decompressed")
    func storedBlock() {
        let server = EndpointHarness.compressing(.server)
        server.receive(
            WireFrame(opcode: 1, reserved: 4, payload: [0x00, 0x05, 0x00, 0xFA, 0xFF] + hello + [0x00]))
        #expect(server.events == [.message(.text, hello)])
    }

    @Test("§7.2.3.4: a DEFLATE block with BFINAL set to 1 is decompressed")
    func finalBlock() {
        let server = EndpointHarness.compressing(.server)
        let final: [UInt8] = [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]
        // With the octet of zeros that the RFC asks for, and without.
        server.receive(
            WireFrame(opcode: 1, reserved: 4, payload: final + [0x00]),
            WireFrame(opcode: 1, reserved: 4, payload: final),
            WireFrame(opcode: 1, reserved: 4, payload: [0xF2, 0x00, 0x11, 0x00, 0x00]))
        #expect(server.events == Array(repeating: .message(.text, hello), count: 3))
    }

    @Test("§7.2.3.5: two DEFLATE blocks in one message are decompressed")
    func twoBlocks() {
        let server = EndpointHarness.compressing(.server)
        server.receive(
            WireFrame(
                opcode: 1, reserved: 4,
                payload: [0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00]))
        #expect(server.events == [.message(.text, hello)])
    }

    @Test("§7.2.3.6: an empty message is decompressed", arguments: WebSocketRole.allCases)
    func emptyMessage(role: WebSocketRole) throws {
        let harness = EndpointHarness.compressing(role)
        harness.receive(WireFrame(opcode: 1, reserved: 4, payload: [0x00]))
        #expect(harness.events == [.message(.text, [])])
        // Anew, and with something before it.
        for before in [[], hello] {
            if !before.isEmpty { try harness.send(.text, before, compress: .always) }
            _ = harness.takeFrames()
            try harness.send(.text, [], compress: .always)
            #expect(harness.takeFrames().map(\.payload) == [[0x00]])
        }
    }
}
