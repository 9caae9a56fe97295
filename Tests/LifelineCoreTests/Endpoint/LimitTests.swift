import Testing

@testable import LifelineCore

@Suite("§10.4 limits on frames and messages")
struct LimitTests {
    private func configuration(
        frame: Int = 1 << 20, message: Int = 1 << 20, fragments: Int = 16_384
    ) -> EndpointConfiguration {
        var configuration = EndpointConfiguration.server
        configuration.maximumFrameSize = frame
        configuration.maximumMessageSize = message
        configuration.maximumFragmentsPerMessage = fragments
        return configuration
    }

    @Test(
        "§10.4 a frame at the limit is accepted; one byte more is answered with 1009",
        arguments: [0, 1, 125, 126, 70_000])
    func frameSize(_ limit: Int) {
        let payload = [UInt8](repeating: 7, count: limit + 1)
        let server = EndpointHarness.open(.server, configuration: configuration(frame: limit))
        server.receive(.binary(Array(payload.dropLast())))
        #expect(server.takeEvents().count == 1)
        server.expectOpen()
        server.receive(.binary(payload))
        server.expectFailed(with: 1009)
    }

    @Test(
        "§10.4 a message at the limit is accepted; one byte more is answered with 1009",
        arguments: [[10], [5, 5], [0, 10, 0], [1, 2, 3, 4], [10, 0, 0, 0]], [0, 1])
    func messageSize(parts: [Int], excess: Int) {
        let server = EndpointHarness.open(.server, configuration: configuration(message: 10))
        for (index, part) in parts.enumerated() {
            let isLast = index == parts.count - 1
            let bytes = [UInt8](repeating: 0x61, count: part + (isLast ? excess : 0))
            server.receive(
                index == 0 ? .text(bytes, isFinal: isLast) : .continuation(bytes, isFinal: isLast))
        }
        if excess == 0 {
            #expect(server.events == [.text(String(repeating: "a", count: 10))])
        } else {
            server.expectFailed(with: 1009)
        }
    }

    @Test("§10.4 the limit applies to each message separately")
    func messagesCountAnew() {
        let server = EndpointHarness.open(.server, configuration: configuration(frame: 10, message: 10))
        for round in 1...20 {
            server.receive(.text("0123456789"), .text("01234", isFinal: false), .continuation("56789", isFinal: true))
            #expect(server.events.count == 2 * round)
        }
        server.expectOpen()
    }

    @Test("§10.4 an oversized length in a header is answered with 1009 before the payload arrives")
    func announcedSize() {
        for length in [1 << 20 + 1, 1 << 32, Int.max] {
            let server = EndpointHarness.open(.server)
            let frame = WireFrame(opcode: 2, payload: [], declaredLength: UInt64(length))
            server.receive(frame.masked().header)
            server.expectFailed(with: 1009)
        }
        // The sum of the fragments' announced lengths, before the second one's payload.
        let server = EndpointHarness.open(.server, configuration: configuration(message: 100))
        server.receive(.binary([UInt8](repeating: 0, count: 60), isFinal: false))
        server.receive(WireFrame(opcode: 0, isFinal: false, payload: [], declaredLength: 41).masked().header)
        server.expectFailed(with: 1009)
    }

    @Test("§10.4 fragment lengths whose sum overflows 64 bits are rejected")
    func sumOverflows() {
        let server = EndpointHarness.open(
            .server, configuration: configuration(frame: .max, message: .max), delivery: .chunks)
        server.receive(.binary([1], isFinal: false))
        server.receive(
            WireFrame(opcode: 0, payload: [], declaredLength: UInt64(Int64.max)).masked().header)
        server.expectFailed(with: 1009)
    }

    @Test("§10.4 memory is allocated for received bytes, not for announced ones")
    func nothingIsAllocatedAhead() {
        let server = EndpointHarness.open(
            .server, configuration: configuration(frame: .max, message: .max))
        server.receive(
            WireFrame(opcode: 2, payload: [1, 2, 3], declaredLength: UInt64(Int64.max)).bytes(from: .client))
        let kept = server.endpoint.assembly.count
        #expect(kept == 3)
    }

    @Test(
        "§10.4 a message at the fragment limit is accepted; one more fragment is answered with 1008",
        arguments: [1, 2, 10])
    func fragmentCount(limit: Int) {
        let server = EndpointHarness.open(.server, configuration: configuration(fragments: limit))
        for round in 0..<3 {
            for index in 0..<limit {
                let isLast = index == limit - 1
                server.receive(index == 0 ? .text("", isFinal: isLast) : .continuation("", isFinal: isLast))
            }
            #expect(server.events.count == round + 1, "each message counts anew")
        }
        for index in 0...limit {
            server.receive(index == 0 ? .text("", isFinal: false) : .continuation("", isFinal: false))
        }
        server.expectFailed(with: 1008)
    }

    @Test(
        "§10.4 every 32 received bytes allow one more fragment",
        arguments: [(31, 10), (32, 10), (33, 10), (32, 1), (64, 2)])
    func fragmentAllowance(size: Int, limit: Int) {
        let server = EndpointHarness.open(.server, configuration: configuration(fragments: limit))
        let bytes = [UInt8](repeating: 0x61, count: size)
        var sent = 0
        while server.phase == .open, sent < 1000 {
            server.receive(sent == 0 ? .text(bytes, isFinal: false) : .continuation(bytes, isFinal: false))
            sent += 1
        }
        // The fragment n comes behind n - 1 others.
        let refused = (1...1000).first { $0 > limit + ($0 - 1) * size / 32 }
        #expect(sent == refused ?? 1000, "\(size), \(limit)")
        if refused != nil {
            let description = server.violation?.description ?? ""
            #expect(description.contains("\(limit) (maximumFragmentsPerMessage), and one for every 32 bytes"))
            server.expectFailed(with: 1008)
        }
    }

    @Test(
        "§10.4 4 MiB in 64-byte fragments (Autobahn's 9.3.1) are accepted with the defaults and a limit of 16 MiB",
        arguments: WebSocketRole.allCases)
    func autobahnFragments(role: WebSocketRole) {
        var configuration = role == .server ? EndpointConfiguration.server : .client
        configuration.maximumMessageSize = 16 << 20
        configuration.maximumFrameSize = 16 << 20
        let harness = EndpointHarness.open(role, configuration: configuration)
        let part = [UInt8](repeating: 0x2A, count: 64)
        let count = (4 << 20) / 64
        harness.receive(WireFrame.binary(part, isFinal: false).bytes(from: role.peer))
        let middle = WireFrame.continuation(part, isFinal: false).bytes(from: role.peer)
        let thousand = Array(repeating: middle, count: 1000).flatMap { $0 }
        for _ in 0..<((count - 2) / 1000) { harness.receive(thousand) }
        for _ in 0..<((count - 2) % 1000) { harness.receive(middle) }
        harness.receive(.continuation(part, isFinal: true))
        let isRight = harness.events == [.binary([UInt8](repeating: 0x2A, count: 4 << 20))]
        #expect(isRight, "\(String(describing: harness.violation))")
    }

    @Test("§10.4 for compressed messages, the fragment allowance counts bytes on the wire")
    func compressedFragmentAllowance() {
        withBudget { budget in
            let wire = OracleCompressor.message(DeflateSample.zeros.bytes(1 << 20), level: 9)
            let server = EndpointHarness.compressing(
                .server, configuration: .compressing(.server, budget).limited(fragments: 5))
            server.receive(.compressed(.binary, Array(wire[..<100]), isFinal: false))
            for _ in 0..<7 { server.receive(.continuation([], isFinal: false)) }
            server.expectOpen()
            server.receive(.continuation([], isFinal: false))
            server.expectFailed(with: 1008)
        }
    }

    @Test("§10.4 negative and maximal limits do not trap")
    func oddLimits() {
        for limit in [Int.min, -1, 0, .max] {
            var odd = configuration(frame: limit, message: limit, fragments: limit)
            odd.maximumHeaderFields = 100
            let server = EndpointHarness.open(.server, configuration: odd)
            server.receive(.text("a"))
            if limit == .max {
                #expect(server.events == [.text("a")])
                server.receive(WireFrame(opcode: 2, payload: [], declaredLength: UInt64(Int64.max)).masked().header)
                server.receive(Array(repeating: 0, count: 1000), inPiecesOf: { 100 })
                let window = server.endpoint.directWindow(for: .max)
                // Room for sixteen MiB and what has come, and for four times as much at most.
                #expect((window?.count ?? 0) < 100 << 20)
                server.expectOpen()
            } else {
                server.expectFailed(with: 1009)
            }
        }
        for limit in [Int.min, -1, 0] {
            var odd = EndpointConfiguration.server
            odd.maximumHeadSize = limit
            let server = EndpointHarness(server: odd)
            server.receive(HandshakeText.request.bytes)
            #expect(server.takeMessage().status == 431)
            odd = .server
            odd.maximumHeaderFields = limit
            let other = EndpointHarness(server: odd)
            other.receive(HandshakeText.request.bytes)
            #expect(other.takeMessage().status == 431)
        }
        // A length that is none is that of nothing.
        let server = EndpointHarness.open(.server)
        let header = try? server.endpoint.dataFrame(.binary, payloadLength: -1, random: &server.random)
        #expect(header?.count == 2)
    }

    @Test("§10.4 negative and maximal durations do not trap, and saturate")
    func oddTimes() {
        let last = MonotonicInstant(nanoseconds: .max)
        let first = MonotonicInstant(nanoseconds: .min)
        #expect(last.advanced(by: .seconds(1)) == last && first.advanced(by: .seconds(-1)) == first)
        #expect(first.duration(to: last) == .nanoseconds(Int64.max))
        #expect(last.duration(to: first) == .nanoseconds(Int64.min))
        for time in [Duration.seconds(Int64.max), .seconds(Int64.min), .seconds(-1), .zero] {
            var odd = EndpointConfiguration.server
            odd.handshakeTimeout = time
            odd.closeTimeout = time
            odd.heartbeat.interval = time
            odd.heartbeat.timeout = time
            odd.compression?.idleTimeout = time
            let server = EndpointHarness.open(.server, configuration: odd)
            _ = try? server.endpoint.ping(at: server.now)
            server.close(.normalClosure)
            _ = server.endpoint.deadline
            server.endpoint.advance(to: last)
            #expect(server.phase == .closed || time > .seconds(1))
        }
    }

    @Test("§10.4 control frames count neither as fragments nor towards data limits")
    func controlFramesDoNotCount() {
        let server = EndpointHarness.open(
            .server, configuration: configuration(frame: 4, message: 4, fragments: 2))
        server.receive(.text("a", isFinal: false))
        for _ in 0..<20 { server.receive(.ping("longer than four bytes")) }
        server.receive(.continuation("b", isFinal: true))
        #expect(server.events.last == .text("ab"))
        server.receive(.close(1000, "a reason longer than four bytes"))
        #expect(server.outcome?.isClean == true)
    }

    @Test("§10.4 the limits also apply when messages are delivered in chunks")
    func limitsInChunks() {
        let server = EndpointHarness.open(.server, configuration: configuration(message: 10), delivery: .chunks)
        server.receive(.text("12345", isFinal: false))
        server.receive(.continuation("678901", isFinal: true))
        server.expectFailed(with: 1009)
    }

    @Test("§10.4 a server's default limits are stricter than a client's")
    func defaults() {
        #expect(EndpointConfiguration.server.maximumMessageSize == 1 << 20)
        #expect(EndpointConfiguration.client.maximumMessageSize == 16 << 20)
        #expect(EndpointConfiguration.server.maximumFrameSize == 1 << 20)
        #expect(EndpointConfiguration.server.maximumFragmentsPerMessage == 16_384)
    }

    @Test("§10.4 a violation names the value, the limit and the setting")
    func descriptions() {
        let server = EndpointHarness.open(.server, configuration: configuration(frame: 100))
        server.receive(WireFrame(opcode: 2, payload: [], declaredLength: 101).masked().bytes)
        #expect(server.violation?.description == "a frame of 101 bytes; at most 100 are allowed (maximumFrameSize)")
    }
}
