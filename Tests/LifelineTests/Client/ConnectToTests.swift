import Foundation
import LifelineCore
import Testing

@testable import Lifeline

extension EngineTests {
    /// Clients whose configuration names another address than the URL (`connectTo`).
    @Suite("Clients that connect to an address of their configuration")
    struct ConnectToTests {
        private static func open(
            _ url: String, to address: ServerAddress, _ engine: any Engine,
            _ observer: EventRecorder? = nil
        ) async throws(WebSocketError) -> WebSocket {
            var configuration = WebSocketClientConfiguration()
            configuration.connectTo = address
            configuration.engine = .given(engine)
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
                if address.port == nil { #expect(socket.handshake.remoteAddress == "\(address)") }
                #expect(try await socket.close().isClean)
                let host = address.port == nil ? "\(address)" : String("\(address)".dropLast(2))
                #expect(
                    events.events.contains {
                        guard case .connecting(host, running.address.port ?? 0) = $0.kind else { return false }
                        return true
                    })
                try await eventually { running.has("TCP ended") }
            }
        }

        @Test(
            "A Unix domain socket to which nothing can connect is described", arguments: EngineUnderTest.all,
            [
                ("/tmp/lifeline-no-such-socket", "no socket exists at this path"),
                ("/etc/hostname", ""),
                ("/tmp/" + String(repeating: "x", count: 200), "the path of the Unix domain socket is too long"),
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

        @Test("A Unix domain socket whose server is gone refuses", arguments: EngineUnderTest.all)
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
