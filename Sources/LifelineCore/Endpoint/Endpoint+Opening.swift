public import HTTPTypes

/// The opening handshake ([RFC 6455 §4](https://www.rfc-editor.org/rfc/rfc6455#section-4)).
extension Endpoint {
    /// The most interim answers (1xx) that a client skips.
    private static var maximumInterimResponses: Int { 8 }
    /// The most empty lines before a request that a server skips.
    private static var maximumEmptyLines: Int { 8 }
    /// How long a client waits for the body of a refusal that does not say how long it is.
    private static var refusalTimeout: Duration { .seconds(1) }

    /// Reads on in the opening handshake.
    mutating func receiveHandshake(_ input: inout ReadBuffer, at now: MonotonicInstant) -> Endpoint.Event {
        // Held outside the endpoint, so that the endpoint may be changed meanwhile.
        let handshake = handshake.unsafelyUnwrapped
        while true {
            switch handshake.step {
            case .answering:
                return .awaitsAnswer
            case .readingRequest:
                if let event = skipEmptyLines(handshake, &input) { return event }
                guard !input.isEmpty else { return .needsInput }
                if let event = receiveHead(handshake, &input, at: now) { return event }
            case .readingResponse:
                guard !input.isEmpty else { return .needsInput }
                if let event = receiveHead(handshake, &input, at: now) { return event }
            case .readingBody(let failure):
                handshake.body.append(UnsafeRawBufferPointer(input.unread))
                input.skip(input.count)
                guard handshake.body.isComplete else { return .needsInput }
                refused(failure, handshake.body)
                return .closed
            case .agreed:
                return .needsInput
            }
        }
    }

    // MARK: Heads

    /// Skips empty lines before a request (RFC 9112 §2.2): a line break too many behind the body of the one before, for
    /// instance.
    private mutating func skipEmptyLines(_ handshake: OpeningHandshake, _ input: inout ReadBuffer) -> Endpoint.Event? {
        guard handshake.head.isEmpty else { return nil }
        while !input.isEmpty {
            let byte = input.start.load(as: UInt8.self)
            if handshake.isInsideEmptyLine {
                guard byte == 0x0A else { return refuseToAnswer("the first bytes are not HTTP", &input) }
                handshake.isInsideEmptyLine = false
                handshake.emptyLines += 1
            } else if byte == 0x0D {
                guard handshake.emptyLines < Endpoint.maximumEmptyLines else {
                    return refuseToAnswer(
                        "more than \(Endpoint.maximumEmptyLines) empty lines before a request (RFC 9112 §2.2)", &input)
                }
                handshake.isInsideEmptyLine = true
            } else {
                return nil
            }
            input.skip(1)
        }
        return nil
    }

    /// A server: ends the connection without an answer. Who speaks another protocol (TLS, say) would not understand one.
    private mutating func refuseToAnswer(_ reason: String, _ input: inout ReadBuffer) -> Endpoint.Event {
        input.skip(input.count)
        abandon(.aborted(reason), by: .local)
        transportRequest = .close
        phase = .closed
        return .closed
    }

    /// Takes what has come of a head, and acts upon it once it is complete.
    private mutating func receiveHead(
        _ handshake: OpeningHandshake, _ input: inout ReadBuffer, at now: MonotonicInstant
    ) -> Endpoint.Event? {
        let unread = input.unread
        let limit = max(configuration.maximumHeadSize, 0)
        // No more than the limit is looked at, however much has come.
        let window = UnsafeRawBufferPointer(rebasing: unread.prefix(limit - handshake.head.count))
        switch handshake.scanner.scan(window) {
        case .complete(let length):
            let head: UnsafeRawBufferPointer
            if handshake.head.isEmpty {
                head = UnsafeRawBufferPointer(rebasing: window[..<length])
            } else {
                handshake.head.append(window.baseAddress.unsafelyUnwrapped, count: length)
                head = UnsafeRawBufferPointer(handshake.head.bytes)
            }
            input.skip(length)
            let event =
                role == .server ? receiveRequest(handshake, head, at: now) : receiveResponse(handshake, head, at: now)
            handshake.beginHead()
            return event
        case .incomplete:
            guard handshake.head.count + unread.count < limit else {
                input.skip(input.count)
                return headTooLarge(limit, at: now)
            }
            handshake.head.append(unread.baseAddress.unsafelyUnwrapped, count: unread.count)
            input.skip(input.count)
            return .needsInput
        case .notHTTP:
            if role == .server {
                return refuseToAnswer("the first bytes are not HTTP; a TLS client at a plain port?", &input)
            }
            input.skip(input.count)
            return handshakeFailed(HandshakeFailure(.malformedResponse, "the server's first bytes are not HTTP"))
        case .bareLineBreak:
            input.skip(input.count)
            return malformed(.fieldLine, at: now)
        }
    }

    private mutating func headTooLarge(_ limit: Int, at now: MonotonicInstant) -> Endpoint.Event {
        let message = "the HTTP head is longer than \(limit) bytes (maximumHeadSize)"
        guard role == .server else { return handshakeFailed(HandshakeFailure(.malformedResponse, message)) }
        return reject(
            HandshakeRefusal(.headTooLarge, status: .requestHeaderFieldsTooLarge, message: message), at: now)
    }

    private mutating func malformed(_ malformed: HTTPHeadParser.Malformed, at now: MonotonicInstant) -> Endpoint.Event {
        role == .server
            ? reject(HandshakeRefusal(malformed), at: now)
            : handshakeFailed(HandshakeFailure(.malformedResponse, "the server's answer: \(malformed)"))
    }

    // MARK: Servers

    private mutating func receiveRequest(
        _ handshake: OpeningHandshake, _ head: UnsafeRawBufferPointer, at now: MonotonicInstant
    ) -> Endpoint.Event {
        // An HTTP/2 client begins with a request that no HTTP/1 client sends (RFC 9113 §3.4).
        if head.starts(with: "PRI * HTTP/2.0\r\n".utf8) {
            abandon(.aborted("an HTTP/2 client at an HTTP/1.1 port"), by: .local)
            transportRequest = .close
            phase = .closed
            return .closed
        }
        do throws(HTTPHeadParser.Malformed) {
            let parsed = try HTTPHeadParser.request(head, maximumFields: configuration.maximumHeaderFields)
            handshake.step = .answering(
                InboundRequest(request: parsed.request, keepsAlive: parsed.keepsAlive, isHTTP10: parsed.isHTTP10))
            return .request
        } catch {
            return malformed(error, at: now)
        }
    }

    /// A server: the request that waits for its answer.
    public var request: InboundRequest? {
        guard phase == .opening, case .answering(let request)? = handshake?.step else { return nil }
        return request
    }

    /// A server: opens the connection with the given answer (§4.2.2), which is the next output.
    ///
    /// Frames that the client sent ahead are read from here on, in order. Where the connection has ended while the
    /// request waited, nothing happens.
    ///
    /// - Parameters:
    ///   - response: What ``ServerHandshake/response(subprotocol:extensions:headerFields:)`` returned.
    ///   - compression: What the answer agrees to for compression; `nil` for none.
    ///   - now: The time; the heartbeat begins at it.
    ///   - random: Where the time of the first Ping comes from.
    /// - Precondition: A ``request`` waits for its answer.
    public mutating func accept(
        _ response: HTTPResponse, compression: PerMessageDeflate? = nil, at now: MonotonicInstant,
        random: inout RandomPool
    ) {
        guard phase == .opening else { return }
        let handshake = answeredHandshake()
        // Behind the answers to earlier requests that have not been written yet.
        handshake.output += HTTPHeadWriter.encode(response)
        if let compression { beginCompression(compression) }
        open(at: now, random: &random)
    }

    /// A server: refuses the handshake, or answers an ordinary request, with the given body.
    ///
    /// The connection is kept for another request where HTTP allows it. Where it has ended while the request waited,
    /// nothing happens.
    ///
    /// - Precondition: A ``request`` waits for its answer.
    public mutating func respond(_ response: HTTPResponse, body: [UInt8], at now: MonotonicInstant) {
        guard phase == .opening else { return }
        guard let request else { preconditionFailure("no request waits for its answer") }
        let handshake = answeredHandshake()
        let isHead = request.request.method == .head
        handshake.output += Endpoint.encode(response, body: body, withBody: !isHead, keepsAlive: request.keepsAlive)
        if request.keepsAlive {
            handshake.step = .readingRequest
            handshake.deadline = now.advanced(by: configuration.handshakeTimeout)
        } else {
            endAfterOutput(.aborted("the HTTP request was answered"), at: now)
        }
    }

    /// A server: refuses the handshake with its status, its fields and its message as the body (§4.2.2).
    public mutating func refuse(_ refusal: HandshakeRefusal, at now: MonotonicInstant) {
        respond(refusal.response, body: refusal.body, at: now)
    }

    /// A server: why it refused a request by itself, without asking the application.
    public var refusal: HandshakeRefusal? { handshake?.refusal }

    /// Answers a request that cannot be read, and ends the connection: where the next one begins is unknown.
    private mutating func reject(_ refusal: HandshakeRefusal, at now: MonotonicInstant) -> Endpoint.Event {
        handshake?.output += Endpoint.encode(refusal.response, body: refusal.body, withBody: true, keepsAlive: false)
        handshake?.refusal = refusal
        endAfterOutput(.aborted("refused: \(refusal)"), at: now)
        return .closed
    }

    private mutating func endAfterOutput(_ failure: ConnectionFailure, at now: MonotonicInstant) {
        abandon(failure, by: .local)
        phase = .ending
        endDeadline = now.advanced(by: configuration.closeTimeout)
        transportRequest = .shutdownOutput
    }

    private func answeredHandshake() -> OpeningHandshake {
        guard let handshake, case .answering = handshake.step else {
            preconditionFailure("no request waits for its answer")
        }
        return handshake
    }

    private static func encode(
        _ response: HTTPResponse, body: [UInt8], withBody: Bool, keepsAlive: Bool
    ) -> [UInt8] {
        var response = response
        response.headerFields[.contentLength] = String(body.count)
        if !keepsAlive { response.headerFields[.connection] = "close" }
        return HTTPHeadWriter.encode(response) + (withBody ? body : [])
    }

    // MARK: Clients

    private mutating func receiveResponse(
        _ handshake: OpeningHandshake, _ head: UnsafeRawBufferPointer, at now: MonotonicInstant
    ) -> Endpoint.Event? {
        guard case .readingResponse(let request) = handshake.step else { return nil }
        let parsed: HTTPHeadParser.ResponseHead
        do {
            parsed = try HTTPHeadParser.response(head, maximumFields: configuration.maximumHeaderFields)
        } catch {
            return handshakeFailed(HandshakeFailure(.malformedResponse, "the server's answer: \(error)"))
        }
        let status = parsed.response.status
        if status.kind == .informational, status != .switchingProtocols {
            handshake.interimResponses += 1
            guard handshake.interimResponses <= Endpoint.maximumInterimResponses else {
                return handshakeFailed(
                    HandshakeFailure(
                        .malformedResponse, "more than \(Endpoint.maximumInterimResponses) interim answers (1xx)"))
            }
            return nil
        }
        do throws(HandshakeFailure) {
            let agreement = try request.agreement(from: parsed.response)
            handshake.step = .agreed(agreement, parsed.response)
            if let compression = agreement.compression { beginCompression(compression) }
            phase = .open
            return .opened
        } catch {
            guard error.reason == .refused else { return handshakeFailed(error) }
            handshake.body = RefusalBody(parsed.bodyLength)
            handshake.step = .readingBody(error)
            // The server need not end the stream that alone tells where the body ends; what matters has come with the head.
            if handshake.body.endsWithStream {
                handshake.deadline = min(handshake.deadline, now.advanced(by: Endpoint.refusalTimeout))
            }
            return nil
        }
    }

    /// A client: the server's answer and what it agreed to, from ``Endpoint/Event/opened`` to the next `receive`.
    public var opening: (agreement: HandshakeAgreement, response: HTTPResponse)? {
        guard case .agreed(let agreement, let response)? = handshake?.step else { return nil }
        return (agreement, response)
    }

    /// Ends a refused handshake with as much of the body as has come.
    private mutating func refused(_ failure: HandshakeFailure, _ body: RefusalBody) {
        _ = handshakeFailed(
            HandshakeFailure(failure.reason, failure.message, response: failure.response, body: body.bytes))
    }

    private mutating func handshakeFailed(_ failure: HandshakeFailure) -> Endpoint.Event {
        handshakeFailure = failure
        abandon(.aborted("\(failure)"), by: .local)
        transportRequest = .close
        phase = .closed
        return .closed
    }

    // MARK: Both

    private mutating func open(at now: MonotonicInstant, random: inout RandomPool) {
        phase = .open
        let isDeaf = heartbeat.isDeaf
        heartbeat = Heartbeat(configuration.heartbeat, at: now, random: &random)
        // The driver may have stopped reading already: behind a request, early frames can fill its buffers.
        heartbeat.setDeaf(isDeaf, at: now)
    }

    /// Ends a refused handshake with as much of the body as has come; `false` where nothing has been refused.
    mutating func endWithRefusal() -> Bool {
        guard let handshake, case .readingBody(let failure) = handshake.step else { return false }
        refused(failure, handshake.body)
        return true
    }
}

extension HandshakeRefusal {
    /// The answer's head, but for its length.
    package var response: HTTPResponse {
        var fields = headerFields
        if fields[.contentType] == nil { fields[.contentType] = "text/plain; charset=utf-8" }
        return HTTPResponse(status: status, headerFields: fields)
    }

    /// The answer's body: the message as a line of text.
    package var body: [UInt8] { Array(message.utf8) + [0x0A] }
}
