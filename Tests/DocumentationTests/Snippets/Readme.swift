import Lifeline

// README.md

func readmeClient() async throws {
    let answer = try await WebSocketClient.connect(to: "ws://127.0.0.1:8080/echo") { socket in
        try await socket.send("hello")
        for try await message in socket {
            if case .text(let text) = message { return text }
        }
        return "the server closed first"
    }
    print(answer)
}

func readmeServer() async throws {
    var server = WebSocketServer(address: .hostname("127.0.0.1", port: 8080))
    server.route("/echo") { socket in
        for try await message in socket { try await socket.send(message) }
    }
    server.route("/push") { socket in
        for number in 1... {
            try await socket.send("update \(number)")
            try await Task.sleep(for: .seconds(1))
        }
    }
    try await server.run()
}

func readmeAuthentication(_ server: inout WebSocketServer, users: Users) {
    server.route("/rooms") { upgrade in
        guard let user = try await users.verify(upgrade.query["token"]) else { throw HandshakeRefusal(.unauthorized) }
        return .accept(user)
    } handler: { socket, user in
        try await socket.send("hello, \(user.name)")
    }
}
