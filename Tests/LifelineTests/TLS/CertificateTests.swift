import Testing

@testable import Lifeline

/// A client takes a server's certificate that is right in every way, and says of any other what is wrong with it.
@Suite(
    "Server certificates over sockets", .tags(.sockets), .offThePool, .timeLimit(.minutes(3)),
    .enabled(if: CertificateAuthority.openssl != nil))
struct CertificateTests {
    /// One of the ways in which a certificate is wrong, or right.
    struct Case: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var host: String
        var wishes: CertificateAuthority.Wishes
        /// What the error says; none where there is to be no error.
        var words: [String] = []
    }

    /// Whether and how a server with such a certificate is connected to, and whether it saw a request.
    private static func attempt(
        _ host: String, _ wishes: CertificateAuthority.Wishes, trusting: PEMSource? = nil
    ) async throws -> (error: WebSocketError?, requests: Int) {
        let authority = try CertificateAuthority("Lifeline's own root")
        let tls = try authority.server(wishes)
        let client = ClientTLS(trustedRoots: trusting ?? authority.root)
        let recorder = EventRecorder()
        var server = WebSocketServer.forTests {
            $0.tls = tls
            $0.observers = [recorder]
        }
        server.route("/echo", handler: echo)
        let error = Collected<WebSocketError>()
        try await server.withServer { address in
            let found = await TLSTests.error {
                try await TLSTests.connect(host, address, tls: client) { try await expectAlive($0) }
            }
            if let found { error.append(found) }
        }
        withExtendedLifetime(authority) {}
        return (error.values.first, recorder.words.count { $0 == "request received" })
    }

    @Test(
        "RFC 9525 a certificate that names the host is accepted",
        arguments: [
            Case(
                testDescription: "a name", host: "localhost",
                wishes: .init(names: ["DNS:other.example", "DNS:localhost"])),
            Case(testDescription: "whatever its case", host: "localhost", wishes: .init(names: ["DNS:LOCALHOST"])),
            Case(testDescription: "an address", host: "127.0.0.1", wishes: .init(names: ["IP:127.0.0.1"])),
            Case(
                testDescription: "without a common name", host: "localhost",
                wishes: .init(commonName: nil, names: ["DNS:localhost"])),
        ])
    func taken(_ one: Case) async throws {
        let (error, requests) = try await Self.attempt(one.host, one.wishes)
        #expect(error == nil, "\(error?.message ?? "")")
        #expect(requests == 1)
    }

    @Test(
        "RFC 9525 any other certificate is refused with its reason, before the request is sent",
        arguments: [
            Case(
                testDescription: "a common name alone", host: "localhost", wishes: .init(commonName: "localhost"),
                words: ["does not match the host", "the name localhost", "common name", "does not count"]),
            Case(
                testDescription: "a common name beside another name", host: "localhost",
                wishes: .init(commonName: "localhost", names: ["DNS:other.example"]),
                words: ["the name localhost", "it is for other.example"]),
            Case(
                testDescription: "the address that the name leads to", host: "localhost",
                wishes: .init(names: ["IP:127.0.0.1", "IP:::1"]),
                words: ["the name localhost", "it is for 127.0.0.1, ::1"]),
            Case(
                testDescription: "the name of the address", host: "127.0.0.1", wishes: .init(names: ["DNS:localhost"]),
                words: ["the address 127.0.0.1", "it is for localhost"]),
            Case(
                testDescription: "an address written as a name", host: "127.0.0.1",
                wishes: .init(names: ["DNS:127.0.0.1"]),
                words: ["the address 127.0.0.1"]),
            Case(
                testDescription: "a mapped address", host: "127.0.0.1", wishes: .init(names: ["IP:::ffff:127.0.0.1"]),
                words: ["the address 127.0.0.1"]),
            Case(
                testDescription: "a wildcard for nothing", host: "localhost",
                wishes: .init(names: ["DNS:*.localhost", "DNS:local*", "DNS:*"]),
                words: ["it is for *.localhost, local*, *"]),
            Case(
                testDescription: "names of other kinds", host: "localhost",
                wishes: .init(commonName: nil, names: ["email:a@localhost", "URI:wss://localhost/"]),
                words: ["it has no names"]),
            Case(
                testDescription: "more names than anybody reads", host: "localhost",
                wishes: .init(names: (1...20).map { "DNS:host\($0).example" }), words: ["host8.example and 12 more"]),
            Case(
                testDescription: "expired", host: "localhost",
                wishes: .init(names: ["DNS:localhost"], notBefore: "20200101000000Z", notAfter: "20210203040506Z"),
                words: ["not valid now", "expired at 2021-02-03T04:05:06Z"]),
            Case(
                testDescription: "not valid yet", host: "localhost",
                wishes: .init(names: ["DNS:localhost"], notBefore: "21000102030405Z", notAfter: "21200101000000Z"),
                words: ["not valid now", "becomes valid at 2100-01-02T03:04:05Z"]),
            Case(
                testDescription: "for clients alone", host: "localhost",
                wishes: .init(names: ["DNS:localhost"], extensions: ["extendedKeyUsage=clientAuth"]),
                words: ["not trusted", "extended key usage"]),
        ])
    func refused(_ one: Case) async throws {
        let (error, requests) = try await Self.attempt(one.host, one.wishes)
        #expect(error?.code == .tlsFailed)
        for word in one.words {
            #expect(error?.message.contains(word) == true, "\(word): \(error?.message ?? "no error")")
        }
        #expect(requests == 0)
    }

    @Test("An unknown root certificate is named in the error")
    func unknownRoot() async throws {
        let (error, requests) = try await Self.attempt(
            "localhost", .init(names: ["DNS:localhost"]), trusting: TestCertificate.stranger)
        #expect(error?.code == .tlsFailed)
        for word in ["not trusted", "Lifeline's own root", "root is unknown", "trustedRoots"] {
            #expect(error?.message.contains(word) == true, "\(error?.message ?? "no error")")
        }
        #expect(requests == 0)
    }
}
