public import HTTPTypes

/// Ordinary HTTP on a server's connection: the bodies of requests, and responses whose bodies are streamed
/// ([RFC 9112](https://www.rfc-editor.org/rfc/rfc9112)).
extension Endpoint {
    /// The most bytes of a request's body that are discarded so that the connection can carry another request.
    static var maximumDiscardedBody: Int { 64 << 10 }

    // MARK: The request's body

    /// A server: whether the body of the ``request`` has not been read to its end.
    public var hasUnreadRequestBody: Bool { request != nil && handshake?.requestBody != nil }

    /// A server: reads the body of the ``request``. ``receive(_:at:)`` returns its pieces as ``Event/requestBody(_:)`` from here on, up
    /// to ``Event/requestBodyEnd`` or a call of ``pauseRequestBody()``. A client that waits for `100 Continue` is sent one
    /// (RFC 9110 §10.1.1).
    ///
    /// Nothing happens if no request waits for its answer, or if its body has been read to its end.
    public mutating func readRequestBody() {
        guard request != nil, let handshake, handshake.requestBody != nil else { return }
        handshake.readsRequestBody = true
        guard handshake.awaitsContinue else { return }
        handshake.awaitsContinue = false
        handshake.output += HTTPHeadWriter.encode(HTTPResponse(status: .continue))
    }

    /// A server: stops reading the body of the ``request``; ``receive(_:at:)`` returns ``Event/awaitsAnswer`` again.
    public mutating func pauseRequestBody() {
        handshake?.readsRequestBody = false
    }

    /// A server: whether ``readRequestBody()`` is in effect.
    package var readsRequestBody: Bool { handshake?.readsRequestBody ?? false }

    /// Whether a request waits for its answer, or for the rest of it.
    package var isAnswering: Bool {
        guard phase == .opening, let handshake else { return false }
        switch handshake.step {
        case .answering, .responding: return true
        case .readingRequest, .readingResponse, .readingBody, .agreed, .discarding: return false
        }
    }

    mutating func receiveBody(
        _ handshake: OpeningHandshake, _ input: inout ReadBuffer, at now: MonotonicInstant
    ) -> Endpoint.Event {
        while handshake.requestBody != nil {
            switch handshake.readBody(&input) {
            case .data(let data):
                if !data.isEmpty { return .requestBody(data) }
                if input.isEmpty { return .needsInput }
            case .end:
                handshake.endBody()
                return .requestBodyEnd
            case .malformed:
                input.skip(input.count)
                return reject(
                    HandshakeRefusal(
                        reason: .malformedRequest, status: .badRequest,
                        message: "a chunk of the request's body is malformed (RFC 9112 §7.1)"), at: now)
            }
        }
        handshake.readsRequestBody = false
        return .awaitsAnswer
    }

    /// Reads and drops the body of a request that was answered.
    mutating func discardBody(_ handshake: OpeningHandshake, _ input: inout ReadBuffer) -> Endpoint.Event? {
        while handshake.requestBody != nil {
            guard handshake.discarded <= Endpoint.maximumDiscardedBody else {
                return endWithoutResponse("the client goes on sending a body that is not read", &input)
            }
            switch handshake.readBody(&input) {
            case .data(let data):
                handshake.discarded += data.count
                if input.isEmpty { return .needsInput }
            case .end: handshake.endBody()
            case .malformed:
                return endWithoutResponse("a chunk of a request's body is malformed (RFC 9112 §7.1)", &input)
            }
        }
        handshake.step = .readingRequest
        return nil
    }

    // MARK: A streamed response

    /// A server: begins a response whose body follows in pieces. The head is the next output.
    ///
    /// The body is sent in chunks, or as it is if the response has a `Content-Length`; a client of HTTP/1.0 gets it up to the end of the
    /// stream. While the body is sent there is no deadline: the driver limits how long a client may read nothing.
    ///
    /// - Parameters:
    ///   - response: The response's head. Its `Transfer-Encoding` is set by this function.
    ///   - now: The current instant.
    /// - Returns: `false` if the connection has ended while the request waited.
    /// - Precondition: A ``request`` waits for its answer.
    public mutating func beginResponse(_ response: HTTPResponse, at now: MonotonicInstant) -> Bool {
        guard phase == .opening else { return false }
        guard let request, let handshake else { preconditionFailure("no request waits for its answer") }
        var response = response
        response.headerFields[.transferEncoding] = nil
        let body: HTTPResponseBody
        var keepsAlive = handshake.keepsAlive(after: request)
        if response.status == .noContent || response.status == .notModified || response.status.kind == .informational {
            body = .none
        } else if let length = response.headerFields[.contentLength].flatMap({ Int($0) }), length >= 0 {
            body = request.request.method == .head ? .none : .bytes(length)
        } else {
            response.headerFields[.contentLength] = nil
            if request.isHTTP10 {
                body = .untilEnd
                keepsAlive = false
            } else {
                response.headerFields[.transferEncoding] = "chunked"
                body = request.request.method == .head ? .none : .chunked
            }
        }
        if !keepsAlive {
            response.headerFields[.connection] = "close"
            handshake.endsAfterResponse = true
        }
        handshake.output += HTTPHeadWriter.encode(response)
        handshake.readsRequestBody = false
        handshake.step = .responding(request, body)
        handshake.deadline = nil
        return true
    }

    /// A server: sends a piece of the body of the response that ``beginResponse(_:at:)`` began.
    ///
    /// - Returns: `false` if the connection has ended, or if the piece exceeds the response's `Content-Length`: nothing is sent then.
    public mutating func writeResponseBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard phase == .opening, let handshake, case .responding(let request, let body) = handshake.step else {
            return false
        }
        guard !bytes.isEmpty else { return true }
        switch body {
        case .none: break
        case .bytes(let rest):
            guard bytes.count <= rest else { return false }
            handshake.output += bytes
            handshake.step = .responding(request, .bytes(rest - bytes.count))
        case .chunked:
            handshake.output += "\(String(bytes.count, radix: 16))\r\n".utf8
            handshake.output += bytes
            handshake.output += "\r\n".utf8
        case .untilEnd:
            handshake.output += bytes
        }
        return true
    }

    /// A server: ends the response that ``beginResponse(_:at:)`` began. The connection then waits for another request, if HTTP allows
    /// that.
    ///
    /// If fewer bytes were sent than the response's `Content-Length` says, the connection is given up, so that the client notices.
    public mutating func endResponse(at now: MonotonicInstant) {
        guard phase == .opening, let handshake, case .responding(let request, let body) = handshake.step else { return }
        switch body {
        case .none, .untilEnd, .bytes(0): break
        case .bytes(let rest): return abort("\(rest) bytes of the response are missing (Content-Length)")
        case .chunked: handshake.output += "0\r\n\r\n".utf8
        }
        finishResponse(handshake, keepsAlive: handshake.keepsAlive(after: request), at: now)
    }

    /// A server: ends the connection once the response that is being sent is complete; at once if none is.
    ///
    /// - Returns: Whether a response is being sent.
    package mutating func endAfterResponse() -> Bool {
        guard phase == .opening, let handshake, case .responding = handshake.step else { return false }
        handshake.endsAfterResponse = true
        return true
    }
}

extension OpeningHandshake {
    func beginBody(_ body: HTTPRequestBodyReader?, awaitsContinue: Bool) {
        requestBody = body
        self.awaitsContinue = body != nil && awaitsContinue
        discarded = 0
    }

    func readBody(_ input: inout ReadBuffer) -> HTTPRequestBodyReader.Piece {
        guard var body = requestBody else { return .end }
        let piece = body.read(&input)
        requestBody = body
        return piece
    }

    func endBody() {
        requestBody = nil
        readsRequestBody = false
    }

    /// Whether the connection can carry another request after the response. If the client still waits for `100 Continue`, it is unknown
    /// whether it sends the body (RFC 9110 §10.1.1).
    func keepsAlive(after request: InboundRequest) -> Bool {
        request.keepsAlive && !endsAfterResponse && !awaitsContinue
    }
}

extension HandshakeRefusal {
    /// The refusal of a request with an `Expect` field that the server does not know.
    static var unknownExpectation: HandshakeRefusal {
        HandshakeRefusal(
            reason: .malformedRequest, status: .expectationFailed,
            message: "the only expectation that this server meets is 100-continue (RFC 9110 §10.1.1)")
    }
}

extension HTTPFields {
    /// Whether there is no `Expect` field but `100-continue`.
    var expectationIsKnown: Bool {
        HTTPSyntax.listMembers(of: self[values: .expect]).allSatisfy {
            HTTPSyntax.isEqualIgnoringCase($0, "100-continue")
        }
    }

    /// Whether the client waits for `100 Continue` before it sends the body.
    var expectsContinue: Bool {
        HTTPSyntax.listMembers(of: self[values: .expect]).contains {
            HTTPSyntax.isEqualIgnoringCase($0, "100-continue")
        }
    }
}
