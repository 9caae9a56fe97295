import HTTPTypes
import Testing

@testable import LifelineCore

/// What a client offers, what a server answers, and what has become of it.
struct AnswerCase: Sendable, CustomTestStringConvertible {
    var offers: [PerMessageDeflate]
    /// The values of the answer's Sec-WebSocket-Extensions fields.
    var answers: [String]
    var agreement: PerMessageDeflate?
    /// What the failure's message must speak of, where there is to be one.
    var reason: String?

    var testDescription: String {
        offers.map(\.offer.description).joined(separator: ", ") + " → " + answers.joined(separator: " | ")
    }

    init(_ offers: PerMessageDeflate..., answer: String, _ agreement: PerMessageDeflate) {
        self.offers = offers
        answers = [answer]
        self.agreement = agreement
    }

    init(_ offers: PerMessageDeflate..., fails answers: String..., because reason: String) {
        self.offers = offers
        self.answers = answers
        self.reason = reason
    }

    private static let plain = PerMessageDeflate()
    private static let smallServer = PerMessageDeflate(serverMaxWindowBits: 10)
    private static let smallClient = PerMessageDeflate(clientMaxWindowBits: 10)
    private static let anewServer = PerMessageDeflate(serverNoContextTakeover: true)
    private static let anewClient = PerMessageDeflate(clientNoContextTakeover: true)

    /// Answers that take an offer as it is, or narrow it.
    static let fitting: [AnswerCase] = [
        .init(plain, answer: "permessage-deflate", plain),
        .init(plain, answer: "permessage-deflate; server_no_context_takeover", anewServer),
        .init(plain, answer: "permessage-deflate; client_no_context_takeover", anewClient),
        .init(plain, answer: "permessage-deflate; server_max_window_bits=10", smallServer),
        .init(plain, answer: "permessage-deflate; server_max_window_bits=15", plain),
        .init(plain, answer: "permessage-deflate; client_max_window_bits=10", smallClient),
        .init(plain, answer: "permessage-deflate; client_max_window_bits=15", plain),
        .init(plain, answer: "permessage-deflate; client_max_window_bits=\"10\"", smallClient),
        .init(
            plain,
            answer: "permessage-deflate; client_max_window_bits=8; server_max_window_bits=8; "
                + "client_no_context_takeover; server_no_context_takeover",
            PerMessageDeflate(
                serverNoContextTakeover: true, clientNoContextTakeover: true, serverMaxWindowBits: 8,
                clientMaxWindowBits: 8)),
        .init(smallServer, answer: "permessage-deflate; server_max_window_bits=10", smallServer),
        .init(
            smallServer, answer: "permessage-deflate; server_max_window_bits=9",
            PerMessageDeflate(serverMaxWindowBits: 9)),
        // A hint of the client's that the server need not repeat: the client keeps to it all the same.
        .init(smallClient, answer: "permessage-deflate", smallClient),
        .init(smallClient, answer: "permessage-deflate; client_max_window_bits=10", smallClient),
        .init(
            smallClient, answer: "permessage-deflate; client_max_window_bits=9",
            PerMessageDeflate(clientMaxWindowBits: 9)),
        .init(anewClient, answer: "permessage-deflate", anewClient),
        .init(anewClient, answer: "permessage-deflate; client_no_context_takeover", anewClient),
        .init(anewServer, answer: "permessage-deflate; server_no_context_takeover", anewServer),
    ]

    /// Answers to several offers: each must fit one of them.
    static let alternatives: [AnswerCase] = [
        .init(smallServer, plain, answer: "permessage-deflate; server_max_window_bits=10", smallServer),
        .init(smallServer, plain, answer: "permessage-deflate", plain),
        .init(
            smallServer, plain, answer: "permessage-deflate; server_max_window_bits=12",
            PerMessageDeflate(serverMaxWindowBits: 12)),
        .init(
            anewServer, smallServer, answer: "permessage-deflate; server_max_window_bits=9",
            .init(serverMaxWindowBits: 9)),
        .init(anewServer, smallServer, answer: "permessage-deflate; server_no_context_takeover", anewServer),
        .init(
            smallClient, plain, answer: "permessage-deflate; client_max_window_bits=12",
            PerMessageDeflate(clientMaxWindowBits: 12)),
        .init(
            anewServer, smallServer, fails: "permessage-deflate", because: "server_no_context_takeover"),
        .init(
            smallServer, PerMessageDeflate(serverMaxWindowBits: 9),
            fails: "permessage-deflate; server_max_window_bits=11", because: "at most 10"),
    ]

    /// Answers that no offer of the client's allows.
    static let misfits: [AnswerCase] =
        [
            .init(smallServer, fails: "permessage-deflate", because: "server_max_window_bits"),
            .init(
                smallServer, fails: "permessage-deflate; server_max_window_bits=11",
                because: "server_max_window_bits of at most 10 was requested, but is 11"),
            .init(smallServer, fails: "permessage-deflate; server_max_window_bits", because: "lacks its value"),
            .init(anewServer, fails: "permessage-deflate", because: "server_no_context_takeover was requested"),
            .init(
                anewServer, fails: "permessage-deflate; client_no_context_takeover",
                because: "server_no_context_takeover was requested"),
            .init(
                smallClient, fails: "permessage-deflate; client_max_window_bits=11",
                because: "client_max_window_bits is 11, but 10 was offered"),
            .init(plain, fails: "permessage-deflate; client_max_window_bits", because: "lacks its value"),
            .init(plain, fails: "permessage-deflate; server_max_window_bits", because: "lacks its value"),
            .init(plain, fails: "permessage-deflate; unknown", because: "unknown is not a parameter"),
            .init(plain, fails: "permessage-deflate; server_no_context_takeover=1", because: "takes no value"),
            .init(
                plain, fails: "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
                because: "server_no_context_takeover occurs twice"),
            .init(
                plain, fails: "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
                because: "server_max_window_bits occurs twice"),
            .init(plain, fails: "permessage-deflate, permessage-deflate", because: "an extension twice"),
            .init(plain, fails: "permessage-deflate", "permessage-deflate", because: "an extension twice"),
            .init(smallServer, plain, fails: "permessage-deflate, permessage-deflate", because: "an extension twice"),
            .init(plain, fails: "permessage-deflate, mux", because: "not offered"),
            .init(plain, fails: "x-webkit-deflate-frame", because: "not offered"),
            .init(plain, fails: "Permessage-Deflate", because: "not offered"),
            .init(plain, fails: "permessage-deflate; server_max_window_bits=", because: "grammar"),
            .init(plain, fails: "permessage-deflate; server_max_window_bits=\"15 \"", because: "grammar"),
        ]
        + ["7", "16", "08", "-1", "0", "+9", "nine", "999999999999999999999"].flatMap {
            [
                AnswerCase(
                    plain, fails: "permessage-deflate; server_max_window_bits=\($0)", because: "must be 8 to 15"),
                AnswerCase(
                    plain, fails: "permessage-deflate; client_max_window_bits=\($0)", because: "must be 8 to 15"),
            ]
        }
}

@Suite("RFC 7692 §5 and §7.1: a client checks the answer")
struct DeflateAnswerTests {
    private func client(_ offers: [WebSocketExtension], _ budget: CompressionBudget) -> EndpointHarness {
        let client = EndpointHarness.client(configuration: .compressing(.client, budget), extensions: offers)
        _ = client.takeOutput()
        return client
    }

    private func answer(_ client: EndpointHarness, _ answers: [String]) {
        var answer = EndpointHarness.answerTextToFirstSeed
        answer.fields += answers.map { "Sec-WebSocket-Extensions: \($0)" }
        client.receive(answer.bytes)
    }

    private func check(_ answerCase: AnswerCase) {
        withBudget { budget in
            let client = client(answerCase.offers.map(\.offer), budget)
            answer(client, answerCase.answers)
            #expect(client.endpoint.compressionAgreement == answerCase.agreement)
            if let agreement = answerCase.agreement {
                client.expectOpen()
                guard case .opened(let agreed) = client.events.first else {
                    Issue.record("\(client.events)")
                    return
                }
                #expect(agreed.compression == agreement)
                #expect(agreed.extensions.map(\.name) == ["permessage-deflate"])
                client.receive(.compressed(.text, [0x00]))
                #expect(client.events.last == .text(""))
            }
            if let reason = answerCase.reason {
                #expect(client.events == [.closed] && client.phase == .closed)
                #expect(client.transportRequest == .close)
                #expect(client.handshakeFailure?.reason == .extensions)
                #expect(
                    client.handshakeFailure?.message.contains(reason) == true,
                    "\(client.handshakeFailure?.message ?? "none")")
            }
        }
    }

    @Test("§7.1 a response that accepts or narrows an offer is accepted", arguments: AnswerCase.fitting)
    func fitting(_ answer: AnswerCase) { check(answer) }

    @Test("§5.1 a response may accept any one of several offers", arguments: AnswerCase.alternatives)
    func alternatives(_ answer: AnswerCase) { check(answer) }

    @Test("§7.1 a response that fits no offer fails the handshake with a reason", arguments: AnswerCase.misfits)
    func misfits(_ answer: AnswerCase) { check(answer) }

    @Test("§7.1.2.2: client_max_window_bits in answer to an offer without it fails the handshake", arguments: 8...15)
    func windowThatWasNotOffered(bits: Int) {
        withBudget { budget in
            let client = client([WebSocketExtension(name: "permessage-deflate")], budget)
            answer(client, ["permessage-deflate; client_max_window_bits=\(bits)"])
            #expect(client.handshakeFailure?.reason == .extensions)
            #expect(client.handshakeFailure?.message.contains("client_max_window_bits was not offered") == true)
        }
    }

    @Test("§5.1 a server may decline: the connection opens without compression")
    func declined() {
        withBudget { budget in
            let client = client([PerMessageDeflate().offer], budget)
            answer(client, [])
            #expect(client.events == [.opened(HandshakeAgreement(subprotocol: nil, extensions: []))])
            #expect(client.endpoint.compressionAgreement == nil)
            client.receive(WireFrame(opcode: 1, reserved: 4, payload: [0x00]))
            client.expectFailed(with: 1002)
        }
    }

    @Test("§5.1 other extensions may be negotiated as well")
    func otherExtensions() {
        withBudget { budget in
            let client = client([WebSocketExtension(name: "mux"), PerMessageDeflate().offer], budget)
            answer(client, ["mux; max-channels=4", "permessage-deflate; server_max_window_bits=9"])
            client.expectOpen()
            #expect(client.endpoint.compressionAgreement == PerMessageDeflate(serverMaxWindowBits: 9))
        }
    }

    @Test("§7.1 a client offers its configured parameters, in order")
    func offers() {
        var configuration = CompressionConfiguration()
        configuration.budget = CompressionBudget(limit: 1)
        #expect(configuration.offers.map(\.description) == ["permessage-deflate; client_max_window_bits"])
        configuration.parameters = PerMessageDeflate(
            serverNoContextTakeover: true, clientNoContextTakeover: true, serverMaxWindowBits: 9,
            clientMaxWindowBits: 10)
        configuration.alternatives = [PerMessageDeflate(serverMaxWindowBits: 12), PerMessageDeflate()]
        #expect(
            configuration.offers.map(\.description) == [
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
                    + "server_max_window_bits=9; client_max_window_bits=10",
                "permessage-deflate; server_max_window_bits=12; client_max_window_bits",
                "permessage-deflate; client_max_window_bits",
            ])
        // Who has no memory for it does not offer it.
        configuration.budget = CompressionBudget(limit: 0)
        #expect(configuration.offers == [])
    }

    @Test("§7.1 our client and server agree for every combination of parameters")
    func bothSides() throws {
        for offered in PerMessageDeflate.all {
            for wished in PerMessageDeflate.all {
                let agreed = try #require(wished.agreement(on: [offered.offer]))
                #expect(try PerMessageDeflate.agreement(from: agreed.answer, to: [offered.offer]) == agreed)
            }
        }
    }
}
