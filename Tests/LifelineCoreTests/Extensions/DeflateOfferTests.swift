import Testing

@testable import LifelineCore

/// A client's offer, what the server asks for, and what the two agree on.
struct OfferCase: Sendable, CustomTestStringConvertible {
    /// The values of the request's Sec-WebSocket-Extensions fields.
    var offers: [String]
    var wishes: PerMessageDeflate
    /// The value of the answer's field; `nil` where the offers are declined.
    var answer: String?
    var agreement: PerMessageDeflate?

    var testDescription: String { offers.joined(separator: " | ") }

    init(
        _ offers: String..., wishes: PerMessageDeflate = PerMessageDeflate(), answer: String,
        _ agreement: PerMessageDeflate
    ) {
        self.offers = offers
        self.wishes = wishes
        self.answer = answer
        self.agreement = agreement
    }

    init(declined offers: String...) {
        self.offers = offers
        wishes = PerMessageDeflate()
    }

    private static let plain = PerMessageDeflate()

    /// What an offer alone decides.
    static let granted: [OfferCase] = [
        .init("permessage-deflate", answer: "permessage-deflate", plain),
        .init("permessage-deflate; client_max_window_bits", answer: "permessage-deflate", plain),
        .init(
            "permessage-deflate; server_no_context_takeover", answer: "permessage-deflate; server_no_context_takeover",
            PerMessageDeflate(serverNoContextTakeover: true)),
        .init(
            "permessage-deflate; client_no_context_takeover", answer: "permessage-deflate; client_no_context_takeover",
            PerMessageDeflate(clientNoContextTakeover: true)),
        .init(
            "permessage-deflate; client_max_window_bits=12", answer: "permessage-deflate; client_max_window_bits=12",
            PerMessageDeflate(clientMaxWindowBits: 12)),
        .init(
            "permessage-deflate; server_max_window_bits=8; client_max_window_bits=8",
            answer: "permessage-deflate; server_max_window_bits=8; client_max_window_bits=8",
            PerMessageDeflate(serverMaxWindowBits: 8, clientMaxWindowBits: 8)),
        // What is asked is confirmed, though it is what holds anyway (§7.1.2.1).
        .init(
            "permessage-deflate; server_max_window_bits=15", answer: "permessage-deflate; server_max_window_bits=15",
            plain),
        .init("permessage-deflate; client_max_window_bits=15", answer: "permessage-deflate", plain),
        .init(
            "permessage-deflate; client_max_window_bits=10; server_max_window_bits=9; client_no_context_takeover; "
                + "server_no_context_takeover",
            answer: "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
                + "server_max_window_bits=9; client_max_window_bits=10",
            PerMessageDeflate(
                serverNoContextTakeover: true, clientNoContextTakeover: true, serverMaxWindowBits: 9,
                clientMaxWindowBits: 10)),
        .init(
            "permessage-deflate;server_max_window_bits=\"10\"", answer: "permessage-deflate; server_max_window_bits=10",
            PerMessageDeflate(serverMaxWindowBits: 10)),
        .init(
            "permessage-deflate; client_max_window_bits=\"1\\1\"",
            answer: "permessage-deflate; client_max_window_bits=11",
            PerMessageDeflate(clientMaxWindowBits: 11)),
        .init(
            " permessage-deflate ;\tserver_max_window_bits = 10 ",
            answer: "permessage-deflate; server_max_window_bits=10", PerMessageDeflate(serverMaxWindowBits: 10)),
    ]

    /// The first that can be accepted, wherever it stands.
    static let alternatives: [OfferCase] = [
        .init(
            "permessage-deflate; server_max_window_bits=10, permessage-deflate",
            answer: "permessage-deflate; server_max_window_bits=10", PerMessageDeflate(serverMaxWindowBits: 10)),
        .init(
            "permessage-deflate, permessage-deflate; server_max_window_bits=10", answer: "permessage-deflate", plain),
        .init(
            "permessage-deflate; server_max_window_bits=10", "permessage-deflate",
            answer: "permessage-deflate; server_max_window_bits=10", PerMessageDeflate(serverMaxWindowBits: 10)),
        .init(
            "permessage-deflate; server_max_window_bits=7, permessage-deflate; server_max_window_bits=12",
            answer: "permessage-deflate; server_max_window_bits=12", PerMessageDeflate(serverMaxWindowBits: 12)),
        .init(
            "permessage-deflate; of_tomorrow", "permessage-deflate; client_no_context_takeover",
            answer: "permessage-deflate; client_no_context_takeover", PerMessageDeflate(clientNoContextTakeover: true)),
        .init(
            "permessage-deflate; server_no_context_takeover=1, permessage-deflate; client_max_window_bits=99, "
                + "permessage-deflate; client_max_window_bits; client_max_window_bits, permessage-deflate",
            answer: "permessage-deflate", plain),
        .init(
            "permessage-bzip2, permessage-deflate; client_max_window_bits=9, x-webkit-deflate-frame",
            answer: "permessage-deflate; client_max_window_bits=9", PerMessageDeflate(clientMaxWindowBits: 9)),
        .init("mux; max-channels=4", "foo, bar; baz", "permessage-deflate", answer: "permessage-deflate", plain),
        .init(
            (["permessage-deflate"] + Array(repeating: "permessage-deflate; x=1", count: 31)).reversed()
                .joined(separator: ", "), answer: "permessage-deflate", plain),
    ]

    /// The server's own wishes beside an offer.
    static let wishes: [OfferCase] = [
        .init(
            "permessage-deflate", wishes: PerMessageDeflate(serverNoContextTakeover: true, serverMaxWindowBits: 9),
            answer: "permessage-deflate; server_no_context_takeover; server_max_window_bits=9",
            PerMessageDeflate(serverNoContextTakeover: true, serverMaxWindowBits: 9)),
        .init(
            "permessage-deflate", wishes: PerMessageDeflate(clientNoContextTakeover: true),
            answer: "permessage-deflate; client_no_context_takeover", PerMessageDeflate(clientNoContextTakeover: true)),
        .init(
            "permessage-deflate; server_max_window_bits=12", wishes: PerMessageDeflate(serverMaxWindowBits: 10),
            answer: "permessage-deflate; server_max_window_bits=10", PerMessageDeflate(serverMaxWindowBits: 10)),
        .init(
            "permessage-deflate; server_max_window_bits=10", wishes: PerMessageDeflate(serverMaxWindowBits: 12),
            answer: "permessage-deflate; server_max_window_bits=10", PerMessageDeflate(serverMaxWindowBits: 10)),
        .init(
            "permessage-deflate; client_max_window_bits", wishes: PerMessageDeflate(clientMaxWindowBits: 10),
            answer: "permessage-deflate; client_max_window_bits=10", PerMessageDeflate(clientMaxWindowBits: 10)),
        .init(
            "permessage-deflate; client_max_window_bits=9", wishes: PerMessageDeflate(clientMaxWindowBits: 10),
            answer: "permessage-deflate; client_max_window_bits=9", PerMessageDeflate(clientMaxWindowBits: 9)),
        .init(
            "permessage-deflate; client_max_window_bits=12", wishes: PerMessageDeflate(clientMaxWindowBits: 10),
            answer: "permessage-deflate; client_max_window_bits=10", PerMessageDeflate(clientMaxWindowBits: 10)),
        // §7.1.2.2: where the offer does not speak of the client's window, the answer must not either.
        .init(
            "permessage-deflate", wishes: PerMessageDeflate(clientMaxWindowBits: 10), answer: "permessage-deflate",
            plain),
    ]

    /// Parameters that §7.1 has declined; the grammar of RFC 6455 §9.1 is kept.
    static let declined: [OfferCase] =
        ["7", "16", "08", "015", "0", "-1", "+9", "9.0", "0x9", "1e1", "nine", "999999999999999999999"].flatMap {
            [
                OfferCase(declined: "permessage-deflate; server_max_window_bits=\($0)"),
                OfferCase(declined: "permessage-deflate; client_max_window_bits=\($0)"),
                OfferCase(declined: "permessage-deflate; client_max_window_bits=\"\($0)\""),
            ]
        } + [
            .init(declined: "permessage-deflate; server_max_window_bits"),
            .init(declined: "permessage-deflate; server_no_context_takeover=true"),
            .init(declined: "permessage-deflate; client_no_context_takeover=\"1\""),
            .init(declined: "permessage-deflate; server_no_context_takeover; server_no_context_takeover"),
            .init(declined: "permessage-deflate; client_no_context_takeover; client_no_context_takeover"),
            .init(declined: "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10"),
            .init(declined: "permessage-deflate; client_max_window_bits; client_max_window_bits=10"),
            .init(declined: "permessage-deflate; client_max_window_bits=9; client_max_window_bits=10"),
            .init(declined: "permessage-deflate; unknown"),
            .init(declined: "permessage-deflate; client_max_window_bits; unknown=10"),
            .init(declined: "permessage-deflate; Server_No_Context_Takeover"),
            .init(declined: "permessage-deflate; SERVER_MAX_WINDOW_BITS=10"),
            .init(declined: "Permessage-Deflate"),
            .init(declined: "permessage-deflate2"),
            .init(declined: "x-webkit-deflate-frame"),
            .init(declined: "permessage-bzip2; client_max_compress_level=9", "mux"),
            .init(declined: "permessage-deflate; x=1", "permessage-deflate; server_max_window_bits=16"),
        ]
}

@Suite("RFC 7692 §5 and §7.1: a server answers offers")
struct DeflateOfferTests {
    private func server(_ wishes: PerMessageDeflate, _ budget: CompressionBudget) -> EndpointHarness {
        EndpointHarness(server: .compressing(.server, budget) { $0.parameters = wishes })
    }

    private func request(_ offers: [String]) -> [UInt8] {
        var request = HandshakeText.request
        request.fields += offers.map { "Sec-WebSocket-Extensions: \($0)" }
        return request.bytes
    }

    private func check(_ offer: OfferCase) {
        withBudget { budget in
            let server = server(offer.wishes, budget)
            server.receive(request(offer.offers))
            let answer = server.takeMessage()
            #expect(answer.status == 101)
            #expect(answer["Sec-WebSocket-Extensions"] == offer.answer)
            #expect((answer.fields["sec-websocket-extensions"] == nil) == (offer.answer == nil))
            #expect(server.endpoint.compressionAgreement == offer.agreement)
            server.receive(.compressed(.text, [0x00]))
            if offer.agreement != nil {
                #expect(server.events.last == .text(""))
            } else {
                server.expectFailed(with: 1002)
            }
        }
    }

    @Test(
        "§7.1 the server grants what a client requests, and accepts what it announces",
        arguments: OfferCase.granted)
    func granted(_ offer: OfferCase) { check(offer) }

    @Test(
        "§5.1 the server accepts the first acceptable offer, in one field or several", arguments: OfferCase.alternatives
    )
    func alternatives(_ offer: OfferCase) { check(offer) }

    @Test("§7.1 the server adds its own parameters where the offer allows", arguments: OfferCase.wishes)
    func wishes(_ offer: OfferCase) { check(offer) }

    @Test("§7.1 offers with unknown, repeated or invalid parameters are declined", arguments: OfferCase.declined)
    func declined(_ offer: OfferCase) { check(offer) }

    @Test("§7.1.2 the server grants every window size, for both directions", arguments: 8...15, 8...15)
    func windowBits(serverBits: Int, clientBits: Int) {
        let extensions = WebSocketExtension.parse([
            "permessage-deflate; server_max_window_bits=\(serverBits); client_max_window_bits=\(clientBits)"
        ])
        #expect(
            PerMessageDeflate().agreement(on: extensions ?? [])
                == PerMessageDeflate(serverMaxWindowBits: serverBits, clientMaxWindowBits: clientBits))
    }

    @Test(
        "RFC 6455 §9.1: an offer that breaks the grammar gets 400, whatever else is offered",
        arguments: [
            "permessage-deflate; server_max_window_bits=", "permessage-deflate; server_max_window_bits=\"\"",
            "permessage-deflate; server_max_window_bits=\"15 \"", "permessage-deflate; server_max_window_bits=\" 15\"",
            "permessage-deflate; client_max_window_bits=\"10", "permessage-deflate; client_max_window_bits==10",
            "permessage-deflate;", "permessage-deflate; ; server_no_context_takeover",
            "permessage-deflate; server_max_window_bits=10 11",
        ])
    func malformed(_ offer: String) {
        withBudget { budget in
            for offers in [[offer], [offer, "permessage-deflate"], ["permessage-deflate", offer]] {
                let server = server(PerMessageDeflate(), budget)
                server.receive(request(offers))
                #expect(server.takeMessage().status == 400)
                #expect(server.phase == .opening && server.endpoint.compressionAgreement == nil)
            }
        }
    }

    @Test("§5 compression is not negotiated without an offer, when disabled, or without budget")
    func nothing() {
        withBudget { budget in
            let asked = server(PerMessageDeflate(), budget)
            asked.receive(HandshakeText.request.bytes)
            #expect(asked.takeMessage()["Sec-WebSocket-Extensions"] == nil)

            var without = EndpointConfiguration.server
            without.compression = nil
            for configuration in [without, .compressing(.server, CompressionBudget(limit: 0))] {
                let server = EndpointHarness(server: configuration)
                server.receive(request(["permessage-deflate"]))
                let answer = server.takeMessage()
                #expect(answer.status == 101 && answer.fields["sec-websocket-extensions"] == nil)
                #expect(server.endpoint.compressionAgreement == nil)
                #expect(server.endpoint.compressionStatistics == CompressionStatistics())
                server.receive(WireFrame(opcode: 1, reserved: 4, payload: [0x00]))
                server.expectFailed(with: 1002)
            }
        }
    }
}
