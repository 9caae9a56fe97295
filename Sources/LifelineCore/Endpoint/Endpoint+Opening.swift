public import HTTPTypes

/// The opening handshake ([RFC 6455 §4](https://www.rfc-editor.org/rfc/rfc6455#section-4)).
extension Endpoint {
    /// The most interim responses (1xx) that a client skips.
    private static var maximumInterimResponses: Int { 8 }
    /// The most empty lines before a request that a server skips.
    private static var maximumEmptyLines: Int { 8 }
    /// How long a client waits for the body of a refusal if only the end of the stream ends it.
    private static var refusalTimeout: Duration { .seconds(1) }

    /// Reads the opening handshake up to the next event.
    mutating func receiveHandshake(_ input: inout ReadBuffer, at now: MonotonicInstant) -> Endpoint.Event {
        // A reference outside the endpoint, so that the endpoint may be changed meanwhile.
        let handshake = handshake.unsafelyUnwrapped
        while true {
            switch handshake.step {
            case .answering:
                guard handshake.readsRequestBody else { return .awaitsAnswer }
                return receiveBody(handshake, &input, at: now)
            case .responding:
                return .awaitsAnswer
            case .discarding:
                if let event = discardBody(handshake, &input) { return event }
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
                endRefused(failure, handshake.body)
                return .closed
            case .agreed:
                return .needsInput
            }
        }
    }

    // MARK: Heads

    /// Skips empty lines before a request (RFC 9112 §2.2), such as a superfluous line break after the body of the previous one.
    private mutating func skipEmptyLines(_ handshake: OpeningHandshake, _ input: inout ReadBuffer) -> Endpoint.Event? {
        guard handshake.head.isEmpty else { return nil }
        while !input.isEmpty {
            let byte = input.start.load(as: UInt8.self)
            if handshake.isInsideEmptyLine {
                guard byte == 0x0A else { return endWithoutResponse("the first bytes are not HTTP", &input) }
                handshake.isInsideEmptyLine = false
                handshake.emptyLines += 1
            } else if byte == 0x0D {
                guard handshake.emptyLines < Endpoint.maximumEmptyLines else {
                    return endWithoutResponse(
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

    /// Server only: ends the connection without a response: a client of another protocol, such as TLS, would not understand
    /// one, and a client whose request has been answered expects none.
    mutating func endWithoutResponse(_ reason: String, _ input: inout ReadBuffer) -> Endpoint.Event {
        input.skip(input.count)
        abandon(.aborted(reason), by: .local)
        transportRequest = .close
        phase = .closed
        return .closed
    }

    /// Reads the bytes of a head that have arrived, and handles the head once it is complete.
    private mutating func receiveHead(
        _ handshake: OpeningHandshake, _ input: inout ReadBuffer, at now: MonotonicInstant
    ) -> Endpoint.Event? {
        let unread = input.unread
        let limit = max(configuration.maximumHeadSize, 0)
        // Scans no more than the limit, however many bytes have arrived.
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
                return endWithoutResponse(
                    "the first bytes are not HTTP; is a TLS client connecting to a plain-text port?", &input)
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
            HandshakeRefusal(reason: .headTooLarge, status: .requestHeaderFieldsTooLarge, message: message), at: now)
    }

    private mutating func malformed(_ malformed: HTTPHeadParser.Malformed, at now: MonotonicInstant) -> Endpoint.Event {
        role == .server
            ? reject(HandshakeRefusal(malformed), at: now)
            : handshakeFailed(HandshakeFailure(.malformedResponse, "the server's response: \(malformed)"))
    }

    // MARK: Servers

    private mutating func receiveRequest(
        _ handshake: OpeningHandshake, _ head: UnsafeRawBufferPointer, at now: MonotonicInstant
    ) -> Endpoint.Event {
        // The preface of HTTP/2, which no HTTP/1 client sends (RFC 9113 §3.4).
        if head.starts(with: "PRI * HTTP/2.0\r\n".utf8) {
            abandon(.aborted("an HTTP/2 client on an HTTP/1.1 port"), by: .local)
            transportRequest = .close
            phase = .closed
            return .closed
        }
        do throws(HTTPHeadParser.Malformed) {
            let parsed = try HTTPHeadParser.request(head, maximumFields: configuration.maximumHeaderFields)
            let body = HTTPRequestBodyReader(parsed.bodyLength)
            let isOpening = ServerHandshake.isOpening(parsed.request)
            if body != nil, isOpening { throw .body }
            guard parsed.request.headerFields.expectationIsKnown else { return reject(.unknownExpectation, at: now) }
            if !isOpening { handshake.deadline = now.advanced(by: configuration.requestTimeout) }
            handshake.beginBody(body, awaitsContinue: !parsed.isHTTP10 && parsed.request.headerFields.expectsContinue)
            let length: Int? = if case .bytes(let count) = parsed.bodyLength { count } else { body == nil ? 0 : nil }
            handshake.step = .answering(
                InboundRequest(
                    request: parsed.request, keepsAlive: parsed.keepsAlive, isHTTP10: parsed.isHTTP10,
                    hasBody: body != nil, bodyLength: length))
            return .request
        } catch {
            return malformed(error, at: now)
        }
    }

    /// A server: the request that waits for its answer; `nil` if none does.
    public var request: InboundRequest? {
        guard phase == .opening, case .answering(let request)? = handshake?.step else { return nil }
        return request
    }

    /// A server: accepts the request and opens the connection (§4.2.2). The response is the next output.
    ///
    /// Frames that the client has sent ahead are read from here on, in order. If the connection has ended while the request waited,
    /// nothing happens.
    ///
    /// - Parameters:
    ///   - response: What ``ServerHandshake/response(subprotocol:extensions:headerFields:)`` returned.
    ///   - compression: The agreement on compression in the response; `nil` for none.
    ///   - now: The current instant; the heartbeat begins at it.
    ///   - random: The source of the first Ping's time.
    /// - Precondition: A ``request`` waits for its answer.
    public mutating func accept(
        _ response: HTTPResponse, compression: PerMessageDeflate? = nil, at now: MonotonicInstant,
        random: inout RandomPool
    ) {
        accept(response, compression: compression, configuration: nil, at: now, random: &random)
    }

    /// A server: accepts the request, and takes the limits, heartbeat and timeouts of the open connection from another configuration.
    ///
    /// - Parameter configuration: The configuration of the resource that was requested; `nil` to keep the one of the opening handshake.
    package mutating func accept(
        _ response: HTTPResponse, compression: PerMessageDeflate?, configuration: SharedEndpointConfiguration?,
        at now: MonotonicInstant, random: inout RandomPool
    ) {
        guard phase == .opening else { return }
        if let configuration { use(configuration) }
        let handshake = answeredHandshake()
        // After the responses to earlier requests that have not been written yet.
        handshake.output += HTTPHeadWriter.encode(response)
        if let compression { beginCompression(compression) }
        open(at: now, random: &random)
    }

    /// A server: refuses the handshake, or answers an ordinary HTTP request. The response is the next output.
    ///
    /// The connection then waits for another request, if HTTP allows that (``InboundRequest/keepsAlive``). If the connection has ended
    /// while the request waited, nothing happens.
    ///
    /// - Parameters:
    ///   - response: The response's head, without its `Content-Length`.
    ///   - body: The response's body. It is not sent in response to a `HEAD` request.
    ///   - now: The current instant; the timeout for the next request begins at it.
    /// - Precondition: A ``request`` waits for its answer.
    public mutating func respond(_ response: HTTPResponse, body: [UInt8], at now: MonotonicInstant) {
        guard phase == .opening else { return }
        guard let request else { preconditionFailure("no request is pending") }
        let handshake = answeredHandshake()
        let isHead = request.request.method == .head
        let keepsAlive = handshake.keepsAlive(after: request)
        handshake.output += Endpoint.encode(response, body: body, withBody: !isHead, keepsAlive: keepsAlive)
        finishResponse(handshake, keepsAlive: keepsAlive, at: now)
    }

    /// Waits for the next request, or ends the connection.
    mutating func finishResponse(_ handshake: OpeningHandshake, keepsAlive: Bool, at now: MonotonicInstant) {
        guard keepsAlive else { return endAfterOutput(.aborted("the HTTP request was answered"), at: now) }
        handshake.step = handshake.requestBody == nil ? .readingRequest : .discarding
        handshake.readsRequestBody = false
        handshake.deadline = now.advanced(by: configuration.handshakeTimeout)
    }

    /// A server: refuses the handshake with the refusal's status and fields, and its message as the body (§4.2.2).
    ///
    /// - Precondition: A ``request`` waits for its answer.
    public mutating func refuse(_ refusal: HandshakeRefusal, at now: MonotonicInstant) {
        respond(refusal.response, body: refusal.body, at: now)
    }

    /// A server: why the endpoint refused a malformed request by itself, without an ``Endpoint/Event/request``.
    public var refusal: HandshakeRefusal? { handshake?.refusal }

    /// A server: the request that the endpoint refused by itself; `nil` if it refused none, or could not read the request's head.
    package var refusedRequest: InboundRequest? {
        guard let handshake, handshake.refusal != nil, case .answering(let request) = handshake.step else { return nil }
        return request
    }

    /// Answers a malformed request, and ends the connection, because the beginning of the next request is unknown.
    mutating func reject(_ refusal: HandshakeRefusal, at now: MonotonicInstant) -> Endpoint.Event {
        handshake?.output += Endpoint.encode(refusal.response, body: refusal.body, withBody: true, keepsAlive: false)
        handshake?.refusal = refusal
        endAfterOutput(.aborted("refused: \(refusal)"), at: now)
        return .closed
    }

    /// A server: answers the request that waits with 503, since the application has not answered it in time.
    mutating func answerIsLate(at now: MonotonicInstant) {
        guard let request else { return }
        let isOpening = ServerHandshake.isOpening(request.request)
        let timeout = isOpening ? configuration.handshakeTimeout : configuration.requestTimeout
        let setting = isOpening ? "handshakeTimeout" : "requestTimeout"
        let isMissingBody = handshake?.requestBody != nil && handshake?.readsRequestBody == true
        let refusal =
            isMissingBody
            ? HandshakeRefusal(
                reason: .malformedRequest, status: .requestTimeout,
                message: "the request's body did not arrive within \(timeout) (\(setting))")
            : HandshakeRefusal(
                reason: .unavailable, status: .serviceUnavailable,
                message: "the server did not answer within \(timeout) (\(setting))")
        end(with: refusal, .handshakeTimedOut(after: timeout), at: now)
    }

    /// A server: refuses the request that waits, and ends the connection. If none waits, the connection is given up.
    package mutating func end(with refusal: HandshakeRefusal, at now: MonotonicInstant) {
        guard request != nil else { return abort(refusal.message) }
        end(with: refusal, .aborted(refusal.message), at: now)
    }

    private mutating func end(
        with refusal: HandshakeRefusal, _ failure: ConnectionFailure, at now: MonotonicInstant
    ) {
        handshake?.output += Endpoint.encode(refusal.response, body: refusal.body, withBody: true, keepsAlive: false)
        handshake?.refusal = refusal
        endAfterOutput(failure, at: now)
    }

    private mutating func endAfterOutput(_ failure: ConnectionFailure, at now: MonotonicInstant) {
        abandon(failure, by: .local)
        phase = .ending
        endDeadline = now.advanced(by: configuration.closeTimeout)
        transportRequest = .shutdownOutput
    }

    private func answeredHandshake() -> OpeningHandshake {
        guard let handshake, case .answering = handshake.step else {
            preconditionFailure("no request is pending")
        }
        return handshake
    }

    private static func encode(
        _ response: HTTPResponse, body: [UInt8], withBody: Bool, keepsAlive: Bool
    ) -> [UInt8] {
        var response = response
        // The body's length is Content-Length's, so no other framing can be right (RFC 9112 §6.2).
        response.headerFields[.transferEncoding] = nil
        // These have no body (RFC 9110 §15.3.5, §15.4.5), and 204 no Content-Length either (§8.6).
        let hasBody = response.status != .noContent && response.status != .notModified
        response.headerFields[.contentLength] = response.status == .noContent ? nil : String(body.count)
        if !keepsAlive { response.headerFields[.connection] = "close" }
        return HTTPHeadWriter.encode(response) + (withBody && hasBody ? body : [])
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
            return handshakeFailed(HandshakeFailure(.malformedResponse, "the server's response: \(error)"))
        }
        let status = parsed.response.status
        if status.kind == .informational, status != .switchingProtocols {
            handshake.interimResponses += 1
            guard handshake.interimResponses <= Endpoint.maximumInterimResponses else {
                return handshakeFailed(
                    HandshakeFailure(
                        .malformedResponse, "more than \(Endpoint.maximumInterimResponses) interim responses (1xx)"))
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
            // If only the end of the stream ends the body, the server may keep the stream open. The head is what matters.
            if handshake.body.endsWithStream {
                let end = now.advanced(by: Endpoint.refusalTimeout)
                handshake.deadline = min(handshake.deadline ?? end, end)
            }
            return nil
        }
    }

    /// A client: the server's response and what it agreed to, from ``Endpoint/Event/opened`` to the next ``receive(_:at:)``.
    public var opening: (agreement: HandshakeAgreement, response: HTTPResponse)? {
        guard case .agreed(let agreement, let response)? = handshake?.step else { return nil }
        return (agreement, response)
    }

    /// Ends a refused handshake with the part of the response's body that has arrived.
    private mutating func endRefused(_ failure: HandshakeFailure, _ body: RefusalBody) {
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

    // MARK: Clients and servers

    private mutating func open(at now: MonotonicInstant, random: inout RandomPool) {
        phase = .open
        let isPaused = heartbeat.isPaused
        heartbeat = Heartbeat(configuration.heartbeat, at: now, random: &random)
        // The driver may have stopped reading already: early frames behind a request can fill its buffers.
        heartbeat.setPaused(isPaused, at: now)
    }

    /// Ends a refused handshake with the part of the response's body that has arrived.
    ///
    /// - Returns: `false` if the server has not refused the handshake.
    mutating func endWithRefusal() -> Bool {
        guard let handshake, case .readingBody(let failure) = handshake.step else { return false }
        endRefused(failure, handshake.body)
        return true
    }
}
