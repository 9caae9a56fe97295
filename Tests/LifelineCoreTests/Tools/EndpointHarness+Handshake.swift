import HTTPTypes
import Testing

@testable import LifelineCore

extension EndpointHarness {
    /// An endpoint past its opening handshake, whose events and output have been forgotten.
    static func open(
        _ role: WebSocketRole, configuration: EndpointConfiguration? = nil, delivery: Endpoint.Delivery = .messages,
        seed: UInt64 = 1
    ) -> EndpointHarness {
        let harness: EndpointHarness
        switch role {
        case .server:
            harness = EndpointHarness(server: configuration ?? .server, seed: seed)
            harness.receive(HandshakeText.request.bytes)
        case .client:
            harness = .client(configuration: configuration ?? .client, seed: seed)
            harness.receive(seed == 1 ? answerToFirstSeed : harness.answerToRequest.bytes)
        }
        #expect(harness.phase == .open)
        harness.endpoint.delivery = delivery
        _ = harness.takeEvents()
        _ = harness.takeOutput()
        return harness
    }

    /// An endpoint past an opening handshake in which permessage-deflate was agreed on with the given parameters.
    static func compressing(
        _ role: WebSocketRole, _ agreement: PerMessageDeflate = PerMessageDeflate(),
        configuration: EndpointConfiguration? = nil,
        delivery: Endpoint.Delivery = .messages, memory: MemoryPool? = nil
    ) -> EndpointHarness {
        let harness: EndpointHarness
        switch role {
        case .server:
            var configuration = configuration ?? .server
            configuration.compression?.parameters = PerMessageDeflate()
            harness = EndpointHarness(server: configuration, memory: memory)
            harness.receive(HandshakeText.request.adding("Sec-WebSocket-Extensions: \(agreement.offer)").bytes)
        case .client:
            harness = .client(
                configuration: configuration ?? .client, extensions: [agreement.offer], memory: memory)
            harness.receive(
                answerTextToFirstSeed.adding("Sec-WebSocket-Extensions: \(agreement.answer)").bytes)
        }
        #expect(harness.phase == .open)
        #expect(harness.endpoint.compressionAgreement == agreement)
        harness.endpoint.delivery = delivery
        _ = harness.takeEvents()
        _ = harness.takeOutput()
        return harness
    }

    /// A client that has just written its request.
    static func client(
        configuration: EndpointConfiguration = .client, subprotocols: [String] = [],
        extensions: [WebSocketExtension] = [], seed: UInt64 = 1, memory: MemoryPool? = nil
    ) -> EndpointHarness {
        var random = RandomPool(seed: seed &+ 1)
        do {
            let request = try ClientHandshake(
                authority: "server.example.com", path: "/chat", subprotocols: subprotocols, extensions: extensions,
                random: &random)
            return EndpointHarness(client: request, configuration: configuration, seed: seed, memory: memory)
        } catch {
            preconditionFailure("a valid request was refused: \(error)")
        }
    }

    /// What opens the connection of a client with the seed 1. A digest takes its time without optimisation, and thousands
    /// of clients are opened.
    static let answerTextToFirstSeed = EndpointHarness.client().answerToRequest
    static let answerToFirstSeed = answerTextToFirstSeed.bytes

    /// The 101 that answers the request in the output so far.
    var answerToRequest: HandshakeText {
        let key = (try? HTTPText.parse(output).message["Sec-WebSocket-Key"]) ?? ""
        return .switchingProtocols(accept: AcceptKey.answering(key))
    }

    /// Answers the request that waits, as ``Answering/byTheRules`` says.
    func answerByTheRules() {
        guard let request else { return }
        guard ServerHandshake.isOpening(request) else {
            return endpoint.respond(HTTPResponse(status: .ok), body: Array("fine".utf8), at: now)
        }
        do throws(HandshakeRefusal) {
            let handshake = try ServerHandshake(request)
            let agreement = endpoint.configuration.compression?.agreement(on: handshake.extensions)
            let response = handshake.response(
                extensions: agreement.map { [$0.answer(to: handshake.extensions)] } ?? [])
            endpoint.accept(response, compression: agreement, at: now, random: &random)
        } catch {
            endpoint.refuse(error, at: now)
        }
    }

    /// The HTTP message in the output so far, which is forgotten here.
    func takeMessage(sourceLocation: SourceLocation = #_sourceLocation) -> HTTPText {
        do {
            let (message, rest) = try HTTPText.parse(takeOutput())
            write(rest)
            return message
        } catch {
            Issue.record("the output is no HTTP message", sourceLocation: sourceLocation)
            return HTTPText(startLine: "", fields: [:], body: "")
        }
    }
}

extension EndpointHarness {
    /// Sends a data frame as a driver does: header and payload apart.
    func send(
        _ kind: MessageKind, _ payload: [UInt8], _ position: FragmentPosition = .only
    ) throws(Endpoint.SendError) {
        let header = try endpoint.dataFrame(kind, position, payloadLength: payload.count, random: &random)
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: payload.count + 16, alignment: 1)
        defer { memory.deallocate() }
        guard let base = memory.baseAddress else { return }
        let count = payload.withUnsafeBytes { header.write($0, to: base) }
        write(Array(memory[..<count]))
    }

    /// Sends a data frame compressed, where the endpoint finds it worth it.
    ///
    /// - Returns: Whether it was.
    @discardableResult
    func send(
        _ kind: MessageKind, _ payload: [UInt8], _ position: FragmentPosition = .only, compress: MessageCompression
    ) throws(Endpoint.SendError) -> Bool {
        let compressed = payload.withUnsafeBytes { plain in
            endpoint.compress(plain, position, compress, at: now)?.withUnsafeBytes { Array($0) }
        }
        guard let compressed else {
            try send(kind, payload, position)
            return false
        }
        let header = try endpoint.dataFrame(
            kind, position, payloadLength: compressed.count, isCompressed: true, random: &random)
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: compressed.count + 16, alignment: 1)
        defer { memory.deallocate() }
        guard let base = memory.baseAddress else { return false }
        let count = compressed.withUnsafeBytes { header.write($0, to: base) }
        write(Array(memory[..<count]))
        return true
    }

    /// Begins the closing handshake with a code and a reason.
    func close(_ code: CloseCode, _ reason: String = "", sourceLocation: SourceLocation = #_sourceLocation) {
        do {
            endpoint.close(try CloseFrame(code: code, reason: reason), at: now)
            drain()
        } catch {
            Issue.record("\(error)", sourceLocation: sourceLocation)
        }
    }

    /// Sends a Ping and returns its number.
    @discardableResult
    func ping() throws -> UInt64 {
        defer { drain() }
        return try endpoint.ping(at: now)
    }
}

extension EndpointHarness {
    /// The violation that failed the connection, or `nil`.
    var violation: ProtocolViolation? {
        guard case .protocolViolation(let violation)? = outcome?.failure else { return nil }
        return violation
    }

    /// Checks everything that must hold when the connection has just been failed (§7.1.7).
    func expectFailed(with code: UInt16, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(events.last == .closed, sourceLocation: sourceLocation)
        #expect(violation?.closeCode.rawValue == code, sourceLocation: sourceLocation)
        #expect(outcome?.initiator == .local, sourceLocation: sourceLocation)
        #expect(phase == .ending, sourceLocation: sourceLocation)
        #expect(transportRequest == .shutdownOutput, sourceLocation: sourceLocation)
        let close = takeFrames(sourceLocation: sourceLocation).last
        #expect(close?.closeCode == code, sourceLocation: sourceLocation)
        #expect((close?.payload.count ?? 0) <= 125, sourceLocation: sourceLocation)
        #expect((close?.maskingKey != nil) == (role == .client), sourceLocation: sourceLocation)
        // Whatever comes now means nothing.
        let count = events.count
        receive(.text("late"))
        #expect(events.count == count && output.isEmpty, sourceLocation: sourceLocation)
    }

    /// Checks that the connection has not been harmed.
    func expectOpen(sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(phase == .open, sourceLocation: sourceLocation)
        #expect(outcome == nil, sourceLocation: sourceLocation)
    }
}
