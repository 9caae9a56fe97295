import Testing

@testable import LifelineCore

@Suite("§5.6, §6.2 receiving")
struct ReceivingTests {
    @Test("§5.6 text and binary messages keep their kind and their order")
    func kinds() {
        let server = EndpointHarness.open(.server)
        server.receive(.text("1"), .binary([2]), .text(""), .binary([]), .text("3"))
        #expect(server.events == [.text("1"), .binary([2]), .text(""), .binary([]), .text("3")])
    }

    @Test("§6.2 a message that came in one piece is handed out where it lies, without a copy")
    func inPlace() {
        let server = EndpointHarness.open(.server)
        var bytes = WireFrame.text("in place").bytes(from: .client)
        bytes.withUnsafeMutableBytes { memory in
            var input = ReadBuffer(memory)
            guard case .message(.text, let payload) = server.endpoint.receive(&input, at: server.now) else {
                Issue.record("no message")
                return
            }
            #expect(payload.baseAddress == UnsafeRawPointer(memory.baseAddress.map { $0 + 6 }))
            #expect(payload.elementsEqual("in place".utf8))
        }
    }

    @Test("§6.2 many messages in one piece are handed out one after the other")
    func manyInOnePiece() {
        let frames = (0..<1000).map { WireFrame.text("message \($0)") }
        let client = EndpointHarness.open(.client)
        client.receive(frames.bytes(from: .server))
        #expect(client.events == (0..<1000).map { .text("message \($0)") })
    }

    @Test("§6.2 an empty piece of input changes nothing")
    func emptyInput() {
        let server = EndpointHarness.open(.server)
        let bytes = WireFrame.text("Hello").bytes(from: .client)
        for byte in bytes {
            server.receive([])
            server.receive([byte])
            server.receive([])
        }
        #expect(server.events == [.text("Hello")])
    }

    @Test("§6.2 the memory of a message that was put together is freed when the next is asked for")
    func assemblyIsFreed() {
        let server = EndpointHarness.open(.server)
        server.receive(.text("frag", isFinal: false), .continuation("mented", isFinal: true))
        server.receive([])
        #expect(server.events == [.text("fragmented")])
        let isEmpty = server.endpoint.assembly.isEmpty && server.endpoint.coldState == nil
        #expect(isEmpty)
    }

    @Test("§6.2 a payload stays valid until the next is asked for, even where the connection is closed meanwhile")
    func payloadOutlivesClose() {
        for end in [EndpointHarness.closeNow, { $0.endpoint.abort("test") }, { $0.receiveEnd() }] {
            let server = EndpointHarness.open(.server)
            server.receive(.text("frag", isFinal: false))
            var bytes = WireFrame.continuation("mented", isFinal: true).bytes(from: .client)
            bytes.withUnsafeMutableBytes { memory in
                var input = ReadBuffer(memory)
                guard case .message(_, let payload) = server.endpoint.receive(&input, at: server.now) else {
                    Issue.record("no message")
                    return
                }
                end(server)
                let isKept = !server.endpoint.assembly.isEmpty
                #expect(isKept, "what has been lent out is not freed")
                if isKept { #expect(payload.elementsEqual("fragmented".utf8)) }
            }
        }
    }

    @Test("§6.2 data that came before the answer to the handshake is read after it, in order")
    func earlyFrames() {
        let server = EndpointHarness(server: .server)
        server.answering = .byHand
        server.receive(HandshakeText.request.bytes + [WireFrame.text("one"), .text("two")].bytes(from: .client))
        server.receive(.text("three"))
        #expect(server.takeEvents().count == 1)
        server.answerByTheRules()
        server.receive([])
        #expect(server.events == [.text("one"), .text("two"), .text("three")])
    }
}

extension EndpointHarness {
    fileprivate static func closeNow(_ harness: EndpointHarness) {
        harness.close(.normalClosure)
    }
}
