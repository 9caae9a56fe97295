import NIOCore
import Testing

@testable import Lifeline

@Suite("TLS over sockets", .tags(.sockets), .offThePool, .timeLimit(.minutes(3)))
struct TLSTests {
    static func connect<Result>(
        _ host: String, _ address: ServerAddress, _ path: String = "/echo",
        tls: ClientTLS = ClientTLS(trustedRoots: TestCertificate.certificate),
        _ body: nonisolated(nonsending) (WebSocket) async throws -> Result
    ) async throws -> Result {
        var configuration = WebSocketClientConfiguration()
        // TLS without optimisation, on a busy machine, is slow.
        configuration.connectTimeout = .seconds(60)
        configuration.endpoint.handshakeTimeout = .seconds(60)
        configuration.tls = tls
        return try await WebSocketClient.connect(
            to: "wss://\(host):\(address.port ?? 0)\(path)", configuration: configuration, handler: body)
    }

    static func server() -> WebSocketServer {
        var server = WebSocketServer.forTests { $0.tls = TestCertificate.server }
        server.route("/echo", handler: echo)
        return server
    }

    /// The error with which an attempt to connect fails.
    static func error(_ attempt: () async throws -> Void) async -> WebSocketError? {
        do {
            try await attempt()
            return nil
        } catch {
            return error as? WebSocketError
        }
    }

    @Test("A client connects to a server with a trusted certificate")
    func aTrustedCertificate() async throws {
        try await Self.server().withServer { address in
            try await Self.connect("localhost", address) { socket in
                try await socket.send("hello")
                #expect(try await socket.receive { $0.text } == "hello")
                #expect(try await socket.close().isClean)
            }
        }
    }

    @Test(
        "A client refuses a certificate that no trusted root has signed",
        arguments: [ClientTLS(), ClientTLS(trustedRoots: TestCertificate.stranger)])
    func anUntrustedCertificate(tls: ClientTLS) async throws {
        try await Self.server().withServer { address in
            let error = await Self.error { try await Self.connect("localhost", address, tls: tls) { _ in } }
            #expect(error?.code == .tlsFailed)
            #expect(error?.message.contains("not trusted") == true, "\(error?.message as Any)")
            // And the server is none the worse for it.
            try await Self.connect("localhost", address) { try await expectAlive($0) }
        }
    }

    @Test("RFC 9525 a client refuses a certificate for another name")
    func anotherName() async throws {
        try await Self.server().withServer { address in
            let error = await Self.error { try await Self.connect("127.0.0.1", address) { _ in } }
            #expect(error?.code == .tlsFailed)
            #expect(error?.message.contains("does not match the host") == true, "\(error?.message as Any)")
        }
    }

    @Test("A client without verification accepts any certificate", arguments: ["localhost", "127.0.0.1"])
    func withoutVerification(host: String) async throws {
        try await Self.server().withServer { address in
            try await Self.connect(host, address, tls: ClientTLS(verifiesServer: false)) { socket in
                try await expectAlive(socket)
            }
        }
    }

    @Test("A TLS client fails at a port without TLS")
    func aTLSClientAtAPlainPort() async throws {
        var server = WebSocketServer.forTests()
        server.route("/echo", handler: echo)
        try await server.withBystander { address in
            let error = await Self.error { try await Self.connect("localhost", address) { _ in } }
            #expect(error?.code == .tlsFailed, "\(String(describing: error))")
        }
    }

    @Test("A client without TLS fails at a TLS port")
    func aPlainClientAtATLSPort() async throws {
        try await Self.server().withServer { address in
            let error = await Self.error {
                try await WebSocketClient.connect(to: "ws://\(address)/echo") { _ in }
            }
            #expect([.handshakeInterrupted, .handshakeFailed].contains(error?.code))
            try await Self.connect("localhost", address) { try await expectAlive($0) }
        }
    }

    @Test("A client that does not begin TLS is disconnected at the handshake deadline")
    func aSilentClientIsDisconnected() async throws {
        var server = WebSocketServer.forTests { configuration in
            configuration.tls = TestCertificate.server
            configuration.endpoint.handshakeTimeout = .milliseconds(200)
        }
        server.route("/echo", handler: echo)
        try await server.withServer { address in
            let client = try await RawSocket.connect(to: address)
            await client.ended()
            await client.close()
        }
    }

    @Test("TLS settings that cannot be used give .invalidConfiguration")
    func unusableSettingsAreRefused() async throws {
        let server = WebSocketServer.forTests {
            $0.tls = ServerTLS(certificateChain: .text("no PEM"), privateKey: TestCertificate.privateKey)
        }
        let atServer = await Self.error { try await server.withServer { _ in } }
        #expect(atServer?.code == .invalidConfiguration)
        let missing = WebSocketServer.forTests {
            $0.tls = ServerTLS(certificateChain: TestCertificate.certificate, privateKey: .file("/nowhere.pem"))
        }
        let error = await Self.error { try await missing.withServer { _ in } }
        #expect(error?.code == .invalidConfiguration)
        #expect(error?.message.contains("/nowhere.pem") == true)
        let address = ServerAddress.hostname("127.0.0.1", port: 1)
        let atClient = await Self.error {
            try await Self.connect("localhost", address, tls: ClientTLS(trustedRoots: .text("no PEM"))) { _ in }
        }
        #expect(atClient?.code == .invalidConfiguration)
    }
}
