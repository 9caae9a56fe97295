import Testing

@testable import LifelineCore

@Suite("§5.4, §6.2 messages in chunks")
struct DeliveryTests {
    @Test("§6.2 a message that arrives whole is a single chunk, both first and last")
    func singleChunk() {
        let server = EndpointHarness.open(.server, delivery: .chunks)
        server.receive(.text("whole"))
        #expect(server.events == [.chunk(.text, Array("whole".utf8), isFirst: true, isLast: true)])
    }

    @Test("§6.2 chunks are delivered as they arrive, before their frame ends")
    func asTheyArrive() {
        let server = EndpointHarness.open(.server, delivery: .chunks)
        let bytes = WireFrame.binary([1, 2, 3, 4, 5]).bytes(from: .client)
        server.receive(bytes, splitAt: [8, 10])
        #expect(
            server.events == [
                .chunk(.binary, [1, 2], isFirst: true, isLast: false),
                .chunk(.binary, [3, 4], isFirst: false, isLast: false),
                .chunk(.binary, [5], isFirst: false, isLast: true),
            ])
    }

    @Test("§5.4 each fragment is a chunk; only an empty last fragment is reported")
    func fragments() {
        let server = EndpointHarness.open(.server, delivery: .chunks)
        server.receive(
            .text("", isFinal: false), .continuation("a", isFinal: false), .continuation("", isFinal: false),
            .continuation("", isFinal: true))
        #expect(
            server.events == [
                .chunk(.text, [0x61], isFirst: true, isLast: false), .chunk(.text, [], isFirst: false, isLast: true),
            ])
    }

    @Test("§5.6 an empty message is one empty chunk")
    func emptyMessage() {
        let server = EndpointHarness.open(.server, delivery: .chunks)
        server.receive(.text(""))
        server.receive(.binary([], isFinal: false), .continuation([], isFinal: true))
        #expect(
            server.events == [
                .chunk(.text, [], isFirst: true, isLast: true), .chunk(.binary, [], isFirst: true, isLast: true),
            ])
    }

    @Test("§5.4 control frames are reported between chunks")
    func controlBetweenChunks() {
        let server = EndpointHarness.open(.server, delivery: .chunks)
        server.receive(.binary([1], isFinal: false), .ping("p"), .continuation([2], isFinal: true))
        #expect(
            server.events == [
                .chunk(.binary, [1], isFirst: true, isLast: false), .ping("p"),
                .chunk(.binary, [2], isFirst: false, isLast: true),
            ])
    }

    @Test("§6.2 after a switch to chunks inside a message, the assembled part is the first chunk")
    func fromMessagesToChunks() {
        let server = EndpointHarness.open(.server)
        server.receive(.text("one ", isFinal: false))
        server.endpoint.delivery = .chunks
        server.receive(.continuation("two ", isFinal: false))
        #expect(server.takeEvents() == [.chunk(.text, Array("one two ".utf8), isFirst: true, isLast: false)])
        server.receive(.continuation("three", isFinal: true))
        #expect(server.takeEvents() == [.chunk(.text, Array("three".utf8), isFirst: false, isLast: true)])
        server.receive(.text("next"))
        #expect(server.takeEvents() == [.chunk(.text, Array("next".utf8), isFirst: true, isLast: true)])
    }

    @Test("§6.2 a switch to chunks inside a frame takes effect at once")
    func fromMessagesToChunksInsideFrame() {
        let server = EndpointHarness.open(.server)
        let bytes = WireFrame.text("one two").bytes(from: .client)
        server.receive(Array(bytes[..<10]))
        server.endpoint.delivery = .chunks
        server.receive(Array(bytes[10...]))
        #expect(server.events == [.chunk(.text, Array("one two".utf8), isFirst: true, isLast: true)])
    }

    @Test("§6.2 after a switch to chunks before an empty last fragment, the message is one chunk")
    func fromMessagesToChunksAtTheEnd() {
        let server = EndpointHarness.open(.server)
        server.receive(.text("all", isFinal: false))
        server.endpoint.delivery = .chunks
        server.receive(.continuation("", isFinal: true))
        #expect(server.events == [.chunk(.text, Array("all".utf8), isFirst: true, isLast: true)])
    }

    @Test("§6.2 a switch to whole messages takes effect with the next message")
    func fromChunksToMessages() {
        let server = EndpointHarness.open(.server, delivery: .chunks)
        server.receive(.text("one ", isFinal: false))
        server.endpoint.delivery = .messages
        server.receive(.continuation("two ", isFinal: false), .continuation("three", isFinal: true), .text("whole"))
        #expect(
            server.events == [
                .chunk(.text, Array("one ".utf8), isFirst: true, isLast: false),
                .chunk(.text, Array("two ".utf8), isFirst: false, isLast: false),
                .chunk(.text, Array("three".utf8), isFirst: false, isLast: true), .text("whole"),
            ])
    }

    @Test("§6.2 switching delivery at random loses, repeats and reorders no byte")
    func changedAtRandom() {
        var generator = SplitMix64(seed: 42)
        for _ in 0..<TestScale.rounds(debug: 200, release: 20_000) {
            let server = EndpointHarness.open(.server)
            let frames: [WireFrame] = [
                .text("one ", isFinal: false), .continuation("", isFinal: false), .continuation("two", isFinal: true),
                .binary([1, 2, 3]), .text("", isFinal: false), .ping("p"), .continuation("three", isFinal: true),
                .text(""),
            ]
            for byte in frames.bytes(from: .client) {
                if generator.below(6) == 0 {
                    server.endpoint.delivery = server.endpoint.delivery == .messages ? .chunks : .messages
                }
                server.receive([byte])
            }
            #expect(
                server.events.withChunksJoined == [
                    .text("one two"), .binary([1, 2, 3]), .ping("p"), .text("three"), .text(""),
                ])
        }
    }
}
