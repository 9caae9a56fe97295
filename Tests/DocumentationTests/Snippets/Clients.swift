import Foundation
import Lifeline

// GettingStarted.md, ConnectAClient.md

func gettingStartedServer() async throws {
    var server = WebSocketServer(address: .hostname("127.0.0.1", port: 8080))
    server.route("/hello") { socket in
        for try await message in socket {
            try await socket.send("hello, \(message.text ?? "whoever you are")")
        }
    }
    try await server.run()
}

func gettingStartedClient() async throws {
    let greeting = try await WebSocketClient.connect(to: "ws://127.0.0.1:8080/hello") { socket in
        try await socket.send("Ada")
        return try await socket.receive(within: .seconds(5))?.text
    }
    _ = greeting
}

func connectAClient(url: String, token: String) async throws {
    let answer = try await WebSocketClient.connect(to: "ws://127.0.0.1:8080/echo") { socket in
        try await socket.send("hello")
        return try await socket.receive { $0.text }
    }
    _ = answer

    do {
        try await WebSocketClient.connect(to: url) { socket in
            for try await message in socket { print(message) }
        }
    } catch let error as WebSocketError where error.code == .handshakeRefused {
        print("refused:", error.handshakeFailure?.response?.status ?? "no status")
    } catch let error as WebSocketError where error.code == .closed {
        print("ended:", error.outcome?.description ?? "")
    }

    var configuration = WebSocketClientConfiguration()
    configuration.subprotocols = ["chat.v2", "chat.v1"]
    configuration.headerFields[.authorization] = "Bearer \(token)"
    configuration.endpoint.maximumMessageSize = 1 << 20
    configuration.endpoint.heartbeat.interval = .seconds(10)
    configuration.tls.trustedRoots = .file("roots.pem")
}

func receiveWithLimits(_ socket: WebSocket) async throws {
    guard let hello = try await socket.receive(upTo: 4096, within: .seconds(5)) else { return }
    _ = hello

    struct Order: Decodable {}
    let order = try await socket.receive { message in
        try JSONDecoder().decode(Order.self, from: Data(message.copy.bytes))
    }
    _ = order
}

func openWithoutAScope() async throws {
    let socket = try await WebSocketClient.open(to: "ws://127.0.0.1:8080/chat")
    try await socket.send("hello")
    try await socket.close()
}

func openOverAUnixDomainSocket() async throws {
    var configuration = WebSocketClientConfiguration()
    configuration.connectTo = .unixDomainSocket(path: "/run/chat.sock")
    let socket = try await WebSocketClient.open(to: "ws://localhost/chat", configuration: configuration)
    _ = socket
}
