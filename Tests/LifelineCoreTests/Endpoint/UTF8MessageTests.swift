import Testing

@testable import LifelineCore

/// Text messages through an endpoint: cases like those of Autobahn's groups 6 and 7.5.
@Suite("§8.1 text that is not UTF-8")
struct UTF8MessageTests {
    @Test("§8.1 valid text arrives unchanged", arguments: UTF8Samples.valid)
    func validTexts(text: String) {
        let server = EndpointHarness.open(.server)
        server.receive(.text(text))
        #expect(server.events == [.text(text)])
        server.expectOpen()
    }

    @Test(
        "§8.1 invalid UTF-8 in a single frame fails the connection with 1007",
        arguments: UTF8Samples.invalid.map(\.bytes),
        WebSocketRole.allCases)
    func invalidMessage(_ bytes: [UInt8], role: WebSocketRole) {
        let harness = EndpointHarness.open(role)
        harness.receive(.text(Array("text before ".utf8) + bytes + Array(" and behind".utf8)))
        #expect(harness.events == [.closed])
        harness.expectFailed(with: 1007)
    }

    @Test(
        "§8.1 the connection fails at the first invalid byte, not at the end of the frame",
        arguments: UTF8Samples.invalid.map(\.bytes))
    func failsOnTheByte(bytes invalid: [UInt8]) throws {
        let payload = Array("κόσμε and some more text ".utf8) + invalid + Array(repeating: 0x61, count: 30)
        let firstBad = try #require(UTF8Oracle.judge(payload).firstBad)
        let frame = WireFrame.text(payload)
        let header = frame.masked().header.count

        let server = EndpointHarness.open(.server)
        let bytes = frame.bytes(from: .client)
        server.receiveByteByByte(Array(bytes[..<(header + firstBad)]))
        server.expectOpen()
        server.receive([bytes[header + firstBad]])
        server.expectFailed(with: 1007)
    }

    @Test("§8.1 a character may be split across frames at any byte")
    func characterOverFrames() {
        let bytes = Array("a€😀é".utf8)
        for cut in 0...bytes.count {
            for second in cut...bytes.count {
                let server = EndpointHarness.open(.server)
                server.receive(
                    .text(Array(bytes[..<cut]), isFinal: false),
                    .continuation(Array(bytes[cut..<second]), isFinal: false),
                    .continuation(Array(bytes[second...]), isFinal: true))
                #expect(server.events == [.text("a€😀é")])
            }
        }
    }

    @Test("§8.1 an invalid byte in a middle fragment fails the connection before the message ends")
    func badFragment() {
        let server = EndpointHarness.open(.server)
        server.receive(.text("κόσμε", isFinal: false))
        server.expectOpen()
        server.receive(.continuation([0xF4, 0x90], isFinal: false))
        server.expectFailed(with: 1007)
    }

    @Test("§8.1 a message that ends inside a character fails, whichever frame it ends with", arguments: 1...3)
    func endsInsideCharacter(cut: Int) {
        let start = Array("😀".utf8.prefix(cut))
        let single = EndpointHarness.open(.server)
        single.receive(.text(start))
        single.expectFailed(with: 1007)

        let continued = EndpointHarness.open(.server)
        continued.receive(.text(start, isFinal: false))
        continued.expectOpen()
        continued.receive(.continuation([], isFinal: true))
        continued.expectFailed(with: 1007)
    }

    @Test("§8.1 a control frame between the bytes of a character does not affect validation")
    func controlInsideCharacter() {
        let bytes = Array("😀".utf8)
        let server = EndpointHarness.open(.server)
        server.receive(
            .text(Array(bytes[..<1]), isFinal: false), .ping("\u{80}"),
            .continuation(Array(bytes[1..<3]), isFinal: false), .pong("\u{80}"),
            .continuation(Array(bytes[3...]), isFinal: true))
        #expect(server.events == [.ping("\u{80}"), .unsolicitedPong("\u{80}"), .text("😀")])
    }

    @Test("§5.6 binary messages, Pings and Pongs may contain any bytes")
    func otherPayloads() {
        let bytes: [UInt8] = [0xFF, 0xFE, 0xC0, 0x80]
        let server = EndpointHarness.open(.server)
        server.receive(
            .binary(bytes), WireFrame(opcode: 0x9, payload: bytes), WireFrame(opcode: 0xA, payload: bytes))
        #expect(server.events == [.binary(bytes), .ping(bytes), .pong(bytes, number: nil, roundTrip: nil)])
    }

    @Test("§8.1 validation starts afresh with each message")
    func nextMessageIsFresh() {
        let server = EndpointHarness.open(.server)
        server.receive(.text("€"), .binary([0xE2]), .text("é"), .text([], isFinal: true), .text("😀"))
        #expect(server.events == [.text("€"), .binary([0xE2]), .text("é"), .text(""), .text("😀")])
        server.receive(.text([0x82]))
        server.expectFailed(with: 1007)
    }

    @Test("§8.1 chunks before the invalid byte have been delivered; nothing after it is")
    func chunksBeforeFailure() {
        let server = EndpointHarness.open(.server, delivery: .chunks)
        let frame = WireFrame.text(Array("good".utf8) + [0xFF]).bytes(from: .client)
        server.receive(Array(frame.dropLast()))
        server.receive([frame[frame.count - 1]])
        #expect(server.events.first == .chunk(.text, Array("good".utf8), isFirst: true, isLast: false))
        #expect(server.events.count == 2)
        server.expectFailed(with: 1007)
    }
}
