import Lifeline
import LifelineTesting
import Testing

/// The values that users make in their own tests, through the public interface alone.
@Suite("Values for tests") struct ValueTests {
    struct User: Sendable, Equatable {
        var name: String
        var room: Int
    }

    /// What is under test: an `upgrade` closure.
    static func authorize(_ request: ServerRequest) async throws -> UpgradeAcceptance<User> {
        guard request.query["token"] == "right" else { throw HandshakeRefusal(.unauthorized) }
        let room = try request.parameters.require("room", as: Int.self)
        return .accept(User(name: "Ada", room: room), subprotocol: request.subprotocols.first)
    }

    private static func request(_ path: String) -> HTTPRequest {
        HTTPRequest(method: .get, scheme: "http", authority: "localhost", path: path)
    }

    @Test("An upgrade closure is called with a request")
    func anUpgrade() async throws {
        let request = ServerRequest(
            Self.request("/rooms/7?token=right"), route: "/rooms/{room}", subprotocols: ["chat"],
            remoteAddress: "192.0.2.1:4000")
        #expect(
            request.route == "/rooms/{room}" && request.path == "/rooms/7" && request.remoteAddress == "192.0.2.1:4000")
        let acceptance = try await Self.authorize(request)
        #expect(acceptance.value == User(name: "Ada", room: 7) && acceptance.subprotocol == "chat")
        let refusal = await #expect(throws: HandshakeRefusal.self) {
            try await Self.authorize(ServerRequest(Self.request("/rooms/7"), route: "/rooms/{room}"))
        }
        #expect(refusal?.status == .unauthorized)
    }

    @Test("A request without a route has the route of its path")
    func aRequestWithoutARoute() {
        let request = ServerRequest(Self.request("/a%20b/{c}?d=e"))
        #expect(request.route == "/a%20b/{c}" && request.parameters.names.isEmpty && request.query["d"] == "e")
        #expect(request.subprotocols.isEmpty && request.remoteAddress == "127.0.0.1:50000")
    }

    @Test("The rest of a path is a parameter")
    func theRestOfAPath() {
        let request = ServerRequest(Self.request("/files/a/b%2Fc"), route: "/files/{path...}")
        #expect(request.parameters["path"] == "a/b/c")
    }

    @Test(
        "A route that is malformed, or does not match the path, ends the program",
        arguments: ["rooms", "/rooms/{}", "/rooms", "/rooms/{room}/{more}"])
    func aWrongRoute(route: String) async {
        await #expect(processExitsWith: .failure) { [route] in
            _ = ServerRequest(
                HTTPRequest(method: .get, scheme: "http", authority: "localhost", path: "/rooms/7"), route: route)
        }
    }

    @Test("A handshake has what it is made of")
    func aHandshake() {
        let compression = PerMessageDeflate(serverMaxWindowBits: 9)
        let handshake = WebSocketHandshake(
            request: Self.request("/rooms/7?a=b"),
            agreement: HandshakeAgreement(subprotocol: "chat", compression: compression), route: "/rooms/{room}")
        #expect(handshake.route == "/rooms/{room}" && handshake.parameters["room"] == "7")
        #expect(handshake.path == "/rooms/7" && handshake.query["a"] == "b")
        #expect(handshake.subprotocol == "chat" && handshake.compression == compression && handshake.extensions.isEmpty)
        #expect(handshake.response.status == .switchingProtocols && handshake.remoteAddress == "127.0.0.1:50000")
        let client = WebSocketHandshake(request: Self.request("/"), remoteAddress: "[2001:db8::1]:80")
        #expect(client.route == nil && client.parameters.names.isEmpty && client.subprotocol == nil)
        #expect(client.remoteAddress == "[2001:db8::1]:80")
    }

    /// What is under test: a client's decision to connect again.
    static func isWorthAnotherAttempt(_ error: WebSocketError) -> Bool {
        if let status = error.handshakeFailure?.response?.status { return status.kind == .serverError }
        return error.code == .connectFailed || error.outcome?.code == .goingAway
    }

    @Test("Code that decides by an error is called with each kind")
    func errors() throws {
        let lost = CloseOutcome(
            initiator: .peer, received: try CloseFrame(code: .goingAway), failure: .endOfStream(insideFrame: false))
        #expect(!lost.isClean && lost.code == .goingAway && lost.sent == nil)
        #expect(Self.isWorthAnotherAttempt(WebSocketError(code: .closed, message: "lost", outcome: lost)))
        #expect(!Self.isWorthAnotherAttempt(WebSocketError(code: .closed, message: "closing")))
        for (status, isWorth) in [(HTTPResponse.Status.serviceUnavailable, true), (.unauthorized, false)] {
            let failure = HandshakeFailure(
                reason: .refused, message: "refused", response: HTTPResponse(status: status),
                body: Array(repeating: 7, count: 5000))
            let error = WebSocketError(code: .handshakeRefused, message: "refused", handshakeFailure: failure)
            #expect(Self.isWorthAnotherAttempt(error) == isWorth)
            #expect(failure.reason == .refused && failure.body.count == HandshakeFailure.maximumBodySize)
        }
        let cause = CancellationError()
        let failed = WebSocketError(code: .connectFailed, message: "no route", underlyingError: cause)
        #expect(failed.code == .connectFailed && failed.message == "no route" && "\(failed)" == "no route")
        #expect(failed.underlyingError is CancellationError)
    }

    @Test("An outcome may be clean, or have a violation")
    func outcomes() throws {
        let frame = try CloseFrame(code: .normalClosure)
        let clean = CloseOutcome(initiator: .local, sent: frame, received: frame)
        #expect(clean.isClean && clean.isExpected && clean.effectiveCode == .normalClosure)
        let violation = ProtocolViolation(closeCode: .messageTooBig, description: "2 MiB came; 1 MiB is allowed")
        let failed = CloseOutcome(initiator: .local, failure: .protocolViolation(violation))
        #expect(failed.failure == .protocolViolation(violation) && !failed.isExpected)
        #expect(violation.closeCode == .messageTooBig && "\(violation)" == "2 MiB came; 1 MiB is allowed")
    }
}

/// Names that are deprecated still work. A deprecated function may use them without a warning.
@Suite("Deprecated names") struct DeprecatedNameTests {
    @Test("They do what the new names do")
    func names() async throws {
        try await (self as any UsesDeprecatedNames).use()
    }
}

private protocol UsesDeprecatedNames {
    func use() async throws
}

extension DeprecatedNameTests: UsesDeprecatedNames {
    @available(*, deprecated)
    func use() async throws {
        let refusal = HandshakeRefusal(reason: .application, status: .forbidden, message: "no")
        #expect(refusal == HandshakeRefusal(reason: .application, status: .forbidden, message: "no"))
        #expect(refusal == HandshakeRefusal(status: .forbidden, message: "no"))
        let instant = MonotonicInstant(nanoseconds: 7)
        #expect(instant.duration(since: MonotonicInstant(nanoseconds: 5)) == .nanoseconds(2))
        #expect(CompressionBudget(limit: 1).size == 0)
        #expect(WebSocketEngine.nio.resolved() == .nio)
        #expect(WebSocketEngine.automatic.resolved(usesTLS: true) == .nio)
        #expect(WebSocketEngine.automatic.resolved() != .automatic)
        let (client, _) = try await WebSocket.pair(configuration: WebSocketClientConfiguration())
        #expect(try await client.close().isClean)
    }
}
