import Testing

@testable import LifelineCore

@Suite("§5.1, §5.3 masking")
struct MaskingTests {
    /// One frame of each opcode that may stand alone.
    private static let frames: [WireFrame] = [
        .text("text"), .binary([1, 2, 3]), .ping("ping"), .pong("pong"), .close(1000, "bye"), .emptyClose, .text(""),
        .ping(),
    ]

    @Test("§5.1 a server fails the connection on an unmasked frame", arguments: frames)
    func unmaskedFromClient(_ frame: WireFrame) {
        let server = EndpointHarness.open(.server)
        server.receive(frame.bytes)
        #expect(server.events == [.closed])
        server.expectFailed(with: 1002)
    }

    @Test("§5.1 a client fails the connection on a masked frame", arguments: frames)
    func maskedFromServer(_ frame: WireFrame) {
        let client = EndpointHarness.open(.client)
        client.receive(frame.masked().bytes)
        #expect(client.events == [.closed])
        client.expectFailed(with: 1002)
    }

    @Test("§5.1 an all-zero masking key is valid")
    func zeroKey() {
        let server = EndpointHarness.open(.server)
        server.receive(WireFrame.text("plain on the wire").masked(with: [0, 0, 0, 0]).bytes)
        #expect(server.events == [.text("plain on the wire")])
    }

    @Test("§5.3 each frame, including fragments and control frames, is unmasked with its own key")
    func ownKeys() {
        let server = EndpointHarness.open(.server)
        let frames: [WireFrame] = [
            .text("frag", isFinal: false).masked(with: [1, 2, 3, 4]), .ping("ping").masked(with: [0xFF, 0, 0xFF, 0]),
            .continuation("mented", isFinal: true).masked(with: [9, 8, 7, 6]),
            .binary(Array(0...99)).masked(with: [0xDE, 0xAD, 0xBE, 0xEF]),
        ]
        server.receive(frames.flatMap(\.bytes))
        #expect(server.events == [.ping("ping"), .text("fragmented"), .binary(Array(0...99))])
    }

    @Test("§5.3 payloads of 0 to 100 bytes are unmasked, however they are split")
    func lengthsAndPieces() {
        for length in 0...100 {
            let payload = (0..<length).map { UInt8($0) }
            let bytes = WireFrame.binary(payload).bytes(from: .client)
            for size in [1, 2, 3, 5, 7, 8, 33, bytes.count] {
                let server = EndpointHarness.open(.server)
                server.receive(bytes, splitAt: Array(stride(from: size, to: bytes.count, by: size)))
                #expect(server.events == [.binary(payload)])
            }
        }
    }

    @Test("§5.1 a server never masks")
    func serverSends() throws {
        let server = EndpointHarness.open(.server)
        try server.send(.text, Array("text".utf8))
        try server.ping()
        server.receive(.ping("answer me"))
        server.close(.goingAway)
        #expect(server.takeFrames().allSatisfy { $0.maskingKey == nil })
    }

    @Test("§5.1, §5.3 a client masks every frame with a fresh key")
    func clientSends() throws {
        let client = EndpointHarness.open(.client)
        for _ in 0..<500 {
            try client.send(.text, Array("text".utf8))
            client.receive(.ping("answer me"))
        }
        try client.ping()
        client.close(.goingAway)
        let frames = client.takeFrames()
        let keys = frames.compactMap(\.maskingKey)
        #expect(frames.count == 1002)
        #expect(keys.count == frames.count)
        #expect(Set(keys).count == keys.count)
        #expect(frames[0].text == "text" && frames[1].text == "answer me")
    }

    @Test("§5.3 masking keys use all 32 bits from the given generator")
    func keyBits() throws {
        let client = EndpointHarness.open(.client)
        for _ in 0..<100 { try client.send(.binary, []) }
        let keys = client.takeFrames().compactMap(\.maskingKey)
        for octet in 0..<4 {
            let used = keys.reduce(UInt8(0)) { $0 | $1[octet] }
            let common = keys.reduce(UInt8(0xFF)) { $0 & $1[octet] }
            #expect(used == 0xFF && common == 0)
        }
        // The same randomness gives the same keys.
        let again = EndpointHarness.open(.client)
        for _ in 0..<100 { try again.send(.binary, []) }
        #expect(again.takeFrames().compactMap(\.maskingKey) == keys)
    }
}
