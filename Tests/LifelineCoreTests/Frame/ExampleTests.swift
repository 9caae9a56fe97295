import Testing

@testable import LifelineCore

/// The examples of the RFC, byte by byte as they are printed there.
@Suite("§5.7 the examples")
struct ExampleTests {
    @Test("§5.7 a single-frame unmasked text message is read")
    func unmaskedText() {
        let client = EndpointHarness.open(.client)
        client.receive([0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F])
        #expect(client.events == [.text("Hello")])
    }

    @Test("§5.7 a single-frame masked text message is read")
    func maskedText() {
        let server = EndpointHarness.open(.server)
        server.receive([0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58])
        #expect(server.events == [.text("Hello")])
    }

    @Test("§5.7 a fragmented unmasked text message is read")
    func fragmentedText() {
        let client = EndpointHarness.open(.client)
        client.receive([0x01, 0x03, 0x48, 0x65, 0x6C])
        #expect(client.events.isEmpty)
        client.receive([0x80, 0x02, 0x6C, 0x6F])
        #expect(client.events == [.text("Hello")])
    }

    @Test("§5.7 an unmasked Ping is answered with a masked Pong")
    func pingAndPong() {
        let client = EndpointHarness.open(.client)
        client.receive([0x89, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F])
        #expect(client.events == [.ping("Hello")])
        let output = client.takeOutput()
        #expect(output.count == 11 && output.starts(with: [0x8A, 0x85]))

        let server = EndpointHarness.open(.server)
        server.receive([0x8A, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58])
        #expect(server.events == [.unsolicitedPong("Hello")])
    }

    @Test("§5.7 a server answers a masked Ping with the bytes of the unmasked example")
    func serverPong() {
        let server = EndpointHarness.open(.server)
        server.receive([0x89, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58])
        #expect(server.takeOutput() == [0x8A, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F])
    }

    @Test("§5.7 256 bytes of binary data in a single unmasked frame are read")
    func mediumBinary() throws {
        let data = (0..<256).map { UInt8($0) }
        let client = EndpointHarness.open(.client)
        client.receive([0x82, 0x7E, 0x01, 0x00] + data)
        #expect(client.events == [.binary(data)])

        let server = EndpointHarness.open(.server)
        try server.send(.binary, data)
        #expect(server.takeOutput() == [0x82, 0x7E, 0x01, 0x00] + data)
    }

    @Test("§5.7 64 KiB of binary data in a single unmasked frame are read")
    func largeBinary() throws {
        let data = (0..<65_536).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let client = EndpointHarness.open(.client)
        client.receive([0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0] + data)
        #expect(client.events == [.binary(data)])

        let server = EndpointHarness.open(.server)
        try server.send(.binary, data)
        #expect(server.takeOutput() == [0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0] + data)
    }

    @Test("§5.7 a server sends the bytes printed for the text examples")
    func sentText() throws {
        let server = EndpointHarness.open(.server)
        try server.send(.text, Array("Hello".utf8))
        #expect(server.takeOutput() == [0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F])
        try server.send(.text, Array("Hel".utf8), .first)
        try server.send(.text, Array("lo".utf8), .last)
        #expect(server.takeOutput() == [0x01, 0x03, 0x48, 0x65, 0x6C, 0x80, 0x02, 0x6C, 0x6F])
    }
}
