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

    @Test("§6.2 a message that arrives whole is delivered in place")
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

    @Test("§6.2 several messages in one buffer are delivered one by one")
    func manyInOnePiece() {
        let frames = (0..<1000).map { WireFrame.text("message \($0)") }
        let client = EndpointHarness.open(.client)
        client.receive(frames.bytes(from: .server))
        #expect(client.events == (0..<1000).map { .text("message \($0)") })
    }

    @Test("§6.2 empty input has no effect")
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

    @Test("§6.2 the memory of an assembled message is freed by the next receive")
    func assemblyIsFreed() {
        let server = EndpointHarness.open(.server)
        server.receive(.text("frag", isFinal: false), .continuation("mented", isFinal: true))
        server.receive([])
        #expect(server.events == [.text("fragmented")])
        let isEmpty = server.endpoint.assembly.isEmpty && server.endpoint.coldState == nil
        #expect(isEmpty)
    }

    @Test("§6.2 a payload stays valid until the next receive, even if the connection is closed in between")
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

    @Test("§6.2 frames that arrive before the response are read after it, in order")
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
