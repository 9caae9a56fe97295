import Foundation
import LifelineCore
import Testing

@testable import Lifeline

extension EngineTests {
    /// Clients whose configuration names another address than the URL (`connectTo`).
    @Suite("Clients that connect to an address of their configuration")
    struct ConnectToTests {
        private static func open(
            _ url: String, to address: ServerAddress, _ engine: (any Engine)? = nil, _ observer: EventRecorder? = nil
        ) async throws(WebSocketError) -> WebSocket {
            var configuration = WebSocketClientConfiguration()
            configuration.connectTo = address
            if let engine { configuration.engine = .given(engine) }
            configuration.observers = observer.map { [$0] } ?? []
            return try await WebSocketClient.open(to: url, configuration: configuration)
        }

        static let addresses: [ServerAddress] = [
            UnixSocketFileTests.address(), .hostname("127.0.0.1", port: 0), .hostname("localhost", port: 0),
        ]

        @Test(
            "Messages pass, and the request has the URL's host and path", arguments: EngineUnderTest.all, addresses)
        func messagesPass(engine: EngineUnderTest, address: ServerAddress) async throws {
            let requests = Collected<String>()
            try await engine.serve(at: address) { routes in
                routes.route("/chat") { socket in
                    requests.append(socket.handshake.request.authority ?? "")
                    try await echo(socket)
                }
            } body: { running in
                let events = EventRecorder()
                let socket = try await Self.open("ws://chat.example/chat", to: running.address, running.engine, events)
                for text in ["one", String(repeating: "two", count: 30_000)] {
                    try await socket.send(text)
                    #expect(try await socket.receive { $0.text } == text)
                }
                #expect(requests.values == ["chat.example"])
                if address.port == nil { #expect(socket.handshake.remoteAddress == "unix:\(address)") }
                #expect(try await socket.close().isClean)
                #expect(
                    events.events.contains {
                        guard case .connecting(running.address) = $0.kind else { return false }
                        return true
                    })
                try await eventually { running.has("TCP ended") }
            }
        }

        @Test(
            "A Unix domain socket to which nothing can connect is described", arguments: EngineUnderTest.onSockets,
            [
                ("/tmp/lifeline-no-such-socket", "no such file or directory"),
                ("/etc/hostname", ""),
            ])
        func aSocketThatIsNotThere(engine: EngineUnderTest, path: (name: String, reason: String)) async throws {
            let engine = try engine.make()
            let error = await #expect(throws: WebSocketError.self) {
                _ = try await Self.open("ws://chat.example/", to: .unixDomainSocket(path: path.name), engine)
            }
            #expect(error?.code == .connectFailed)
            #expect(
                error?.message.hasPrefix("cannot connect to chat.example at \(path.name): \(path.reason)") == true,
                "\(String(describing: error))")
            await engine.shutDown()
        }

        @Test(
            "An address that the system cannot understand is an invalid configuration",
            arguments: [
                (.hostname("127.0.0.1", port: 65_536), "the port is 65536"),
                (.hostname("127.0.0.1", port: 99_999), "the port is 99999"),
                (.hostname("127.0.0.1", port: -1), "the port is -1"), (.hostname("", port: 80), "host name is empty"),
                (.hostname("a\0b", port: 80), "contains a NUL"),
                (.unixDomainSocket(path: ""), "the path of the Unix domain socket is empty"),
                (.unixDomainSocket(path: "/tmp/a\0b"), "contains a NUL"),
                (.unixDomainSocket(path: "/tmp/" + String(repeating: "x", count: 103)), "has 108 bytes"),
            ] as [(ServerAddress, String)])
        func invalidAddresses(address: ServerAddress, words: String) async {
            let client = await TLSTests.error { _ = try await Self.open("ws://a.example/", to: address) }
            let server = await TLSTests.error { try await WebSocketServer.forTests(at: address).withServer { _ in } }
            for error in [client, server] {
                #expect(error?.code == .invalidConfiguration)
                #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
            }
        }

        @Test("A client cannot connect to port 0")
        func portZero() async {
            let address = ServerAddress.hostname("127.0.0.1", port: 0)
            let error = await TLSTests.error { _ = try await Self.open("ws://a.example/", to: address) }
            #expect(error?.code == .invalidConfiguration)
        }

        @Test("A Unix domain socket whose server is gone refuses", arguments: EngineUnderTest.onSockets)
        func aServerThatIsGone(engine: EngineUnderTest) async throws {
            let address = UnixSocketFileTests.address()
            close(try UnixSocketFile.listen(at: "\(address)"))
            defer { unlink("\(address)") }
            let engine = try engine.make()
            let error = await #expect(throws: WebSocketError.self) {
                _ = try await Self.open("ws://chat.example/", to: address, engine)
            }
            #expect(error?.message.contains("nothing is listening there") == true, "\(String(describing: error))")
            await engine.shutDown()
        }

        @Test(
            "A certificate must contain the URL's host, whatever the address",
            .enabled(if: CertificateAuthority.openssl != nil))
        func theCertificateHasTheURLsHost() async throws {
            let authority = try CertificateAuthority("Lifeline's own root")
            let tls = try authority.server(.init(names: ["DNS:chat.example"]))
            var server = WebSocketServer.forTests(at: UnixSocketFileTests.address()) { $0.tls = tls }
            server.route("/", handler: echo)
            try await server.withServer { address in
                var configuration = WebSocketClientConfiguration()
                configuration.connectTo = address
                configuration.tls = ClientTLS(trustedRoots: authority.root)
                let socket = try await WebSocketClient.open(to: "wss://chat.example/", configuration: configuration)
                try await socket.send("hello")
                #expect(try await socket.receive { $0.text } == "hello")
                try await socket.close()
                let error = await #expect(throws: WebSocketError.self) {
                    try await WebSocketClient.open(to: "wss://other.example/", configuration: configuration)
                }
                #expect(error?.code == .tlsFailed)
            }
            withExtendedLifetime(authority) {}
        }
    }
}
