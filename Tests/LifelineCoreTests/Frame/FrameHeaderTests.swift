import Testing

@testable import LifelineCore

@Suite("§5.2 the base framing protocol: what is written")
struct FrameHeaderTests {
    private func encode(_ header: FrameHeader) -> [UInt8] {
        withUnsafeTemporaryAllocation(byteCount: FrameHeader.maximumLength, alignment: 1) { memory in
            guard let base = memory.baseAddress else { return [] }
            let count = header.encode(into: base)
            #expect(count == header.encodedLength)
            return Array(memory[..<count])
        }
    }

    @Test(
        "§5.2 the length is encoded in the fewest bytes",
        arguments: [
            (0, [0x82, 0x00]), (125, [0x82, 0x7D]), (126, [0x82, 0x7E, 0x00, 0x7E]),
            (65_535, [0x82, 0x7E, 0xFF, 0xFF]), (65_536, [0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0]),
            (0x0102_0304_0506_0708, [0x82, 0x7F, 1, 2, 3, 4, 5, 6, 7, 8]),
        ] as [(UInt64, [UInt8])])
    func lengths(_ length: UInt64, _ bytes: [UInt8]) {
        #expect(encode(FrameHeader(opcode: .binary, payloadLength: length)) == bytes)
        var masked = bytes
        masked[1] |= 0x80
        masked += [0xA, 0xB, 0xC, 0xD]
        let key = MaskingKey(0xA, 0xB, 0xC, 0xD)
        #expect(encode(FrameHeader(opcode: .binary, maskingKey: key, payloadLength: length)) == masked)
    }

    @Test("§5.2 each bit of the first byte has its place")
    func firstByte() {
        #expect(encode(FrameHeader(opcode: .text, payloadLength: 0)) == [0x81, 0])
        #expect(encode(FrameHeader(opcode: .continuation, isFinal: false, payloadLength: 0)) == [0x00, 0])
        #expect(encode(FrameHeader(opcode: .ping, rsv1: true, payloadLength: 0)) == [0xC9, 0])
        #expect(encode(FrameHeader(opcode: .ping, rsv2: true, payloadLength: 0)) == [0xA9, 0])
        #expect(encode(FrameHeader(opcode: .ping, rsv3: true, payloadLength: 0)) == [0x99, 0])
    }

    @Test(
        "§5.2, §6.1 clients and servers send data frames of lengths near each boundary",
        arguments: [0, 125, 126, 65_535, 65_536], WebSocketRole.allCases)
    func sentFrames(_ length: Int, role: WebSocketRole) throws {
        let payload = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let sender = EndpointHarness.open(role)
        try sender.send(.binary, payload)
        let bytes = sender.takeOutput()
        #expect(bytes.count == length + (length < 126 ? 2 : length < 65_536 ? 4 : 10) + (role == .client ? 4 : 0))
        let frames = try WireFrame.parse(bytes)
        #expect(frames.map(\.payload) == [payload])
        // What the parser of the tests read is written again to the same bytes: the length field was minimal.
        #expect(frames.first?.bytes == bytes)
    }

    @Test("§5.2 writing a frame needs at most sixteen bytes beyond its payload")
    func roomIsRespected() throws {
        for length in 0...40 {
            let client = EndpointHarness.open(.client)
            let header = try client.endpoint.dataFrame(
                .binary, payloadLength: length, random: &client.random)
            var target = [UInt8](repeating: 0xEE, count: length + 16 + 8)
            let count = [UInt8](repeating: 1, count: length).withUnsafeBytes { payload in
                target.withUnsafeMutableBytes { target in
                    target.baseAddress.map { header.write(payload, to: $0) }
                }
            }
            #expect(count == header.count + length)
            #expect(target.suffix(8).allSatisfy { $0 == 0xEE })
            let frames = try WireFrame.parse(Array(target.prefix(header.count + length)))
            #expect(frames.first?.payload.count == length)
        }
    }
}
