import Testing

@testable import LifelineCore

@Suite("§5.2 the frame header parser, as an observer uses it")
struct FrameHeaderParserTests {
    /// What checking a header, given without its masking key, gives; `nil` if it is accepted.
    private func violation(
        _ bytes: [UInt8], sender: WebSocketRole = .server, reservedBits: FrameHeaderParser.ReservedBits = .none,
        tolerating tolerance: FrameHeaderParser.Tolerance = []
    ) throws -> ProtocolViolation? {
        var parser = FrameHeaderParser(sender: sender, reservedBits: reservedBits)
        let header = try #require(
            bytes.withUnsafeBytes { bytes in
                var rest = bytes
                let header = parser.parseUnchecked(&rest)
                #expect(rest.isEmpty)
                return header
            })
        do throws(ProtocolViolation) {
            try parser.check(header, tolerating: tolerance)
            return nil
        } catch {
            return error
        }
    }

    @Test("§5.2 a header does not depend on how its bytes are split", arguments: WebSocketRole.allCases)
    func splits(sender: WebSocketRole) throws {
        let mask: UInt8 = sender == .client ? 0x80 : 0
        let key: [UInt8] = sender == .client ? [1, 2, 3, 4] : []
        let headers: [(bytes: [UInt8], length: UInt64)] = [
            ([0x81, mask | 5] + key, 5), ([0x82, mask | 126, 1, 0] + key, 256),
            ([0x82, mask | 127, 0, 0, 0, 0, 0, 1, 0, 0] + key, 65_536),
        ]
        for (bytes, length) in headers {
            for split in 0...bytes.count {
                var parser = FrameHeaderParser(sender: sender)
                var parsed: FrameHeaderParser.Header?
                for part in [bytes[..<split], bytes[split...]] {
                    part.withUnsafeBytes { part in
                        var rest = part
                        if let header = parser.parseUnchecked(&rest) { parsed = header }
                        #expect(rest.isEmpty)
                    }
                }
                let header = try #require(parsed)
                #expect(header.payloadLength == length && header.isMasked == (sender == .client))
                #expect(header.maskingKey == (key.isEmpty ? MaskingKey(word: 0) : MaskingKey(1, 2, 3, 4)))
                #expect(parser.isAtBoundary)
            }
        }
    }

    @Test("§5.2 the negotiated extensions decide which reserved bits are allowed")
    func reservedBits() throws {
        #expect(try violation([0xC1, 0]) == .reservedBits(0x40))
        #expect(try violation([0xF1, 0], reservedBits: .compression) == .reservedBits(0x30))
        #expect(try violation([0xC1, 0], reservedBits: .compression) == nil)
        #expect(try violation([0xC9, 0], reservedBits: .compression) == .compressionInsideMessage(.ping))
        #expect(try violation([0xF9, 0], reservedBits: .unknown) == nil)
        #expect(try violation([0xF3, 0], reservedBits: .unknown) == .reservedOpcode(Opcode(rawValue: 3)))
    }

    @Test("§5.1, §5.2 an observer tolerates only wrong masking and long encodings")
    func tolerance() throws {
        let unmasked: [UInt8] = [0x81, 0]
        #expect(try violation(unmasked, sender: .client) == .unmaskedFrame)
        #expect(try violation(unmasked, sender: .client, tolerating: .masking) == nil)
        let long: [UInt8] = [0x82, 126, 0, 125]
        #expect(try violation(long) == .lengthNotMinimal(125))
        #expect(try violation(long, tolerating: .lengthEncoding) == nil)
        let tooLarge: [UInt8] = [0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]
        #expect(try violation(tooLarge, tolerating: [.masking, .lengthEncoding]) == .lengthTooLarge)
    }

    @Test("§5.4 the order of fragments follows from the accepted frames")
    func fragments() throws {
        var parser = FrameHeaderParser(sender: .server)
        func header(_ bytes: [UInt8]) -> FrameHeaderParser.Header? {
            bytes.withUnsafeBytes { bytes in
                var rest = bytes
                return parser.parseUnchecked(&rest)
            }
        }
        let text = try #require(header([0x01, 0]))
        let continuation = try #require(header([0x80, 0]))
        #expect(throws: ProtocolViolation.continuationWithoutMessage) { try parser.check(continuation) }
        try parser.check(text)
        parser.accept(text)
        #expect(parser.messageKind == .text)
        #expect(throws: ProtocolViolation.messageInsideMessage(.text)) { try parser.check(text) }
        try parser.check(continuation)
        parser.endMessage()
        #expect(throws: ProtocolViolation.continuationWithoutMessage) { try parser.check(continuation) }
    }
}
