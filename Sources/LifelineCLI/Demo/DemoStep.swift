import Lifeline

/// The steps of the demo, in order: the nine of a WebSocket connection, with those of TCP before and after.
enum DemoStep: CaseIterable {
    case tcpConnect
    case request, response
    case clientText, clientBinary, serverText, serverBinary
    case ping, pong
    case push
    case clientClose, serverClose
    case serverFIN, clientFIN

    /// A phase of the connection.
    enum Phase: String {
        case connect = "TCP"
        case handshake = "HANDSHAKE"
        case messaging = "MESSAGING"
        case heartbeat = "HEARTBEAT"
        case push = "SERVER PUSH"
        case closing = "CLOSING"
        case end = "TCP ENDS"
    }

    /// The phase to which the step belongs.
    var phase: Phase {
        switch self {
        case .tcpConnect: .connect
        case .request, .response: .handshake
        case .clientText, .clientBinary, .serverText, .serverBinary: .messaging
        case .ping, .pong: .heartbeat
        case .push: .push
        case .clientClose, .serverClose: .closing
        case .serverFIN, .clientFIN: .end
        }
    }

    /// The step's number, or `nil` for a step of TCP.
    var number: Int? {
        switch self {
        case .tcpConnect, .serverFIN, .clientFIN: nil
        case .request: 1
        case .response: 2
        case .clientText, .clientBinary: 3
        case .serverText, .serverBinary: 4
        case .ping: 5
        case .pong: 6
        case .push: 7
        case .clientClose: 8
        case .serverClose: 9
        }
    }

    /// The step's name in messages.
    var name: String {
        switch self {
        case .tcpConnect: "the TCP connection"
        case .request: "the upgrade request"
        case .response: "the 101 response"
        case .clientText: "the client's text message"
        case .clientBinary: "the client's binary message"
        case .serverText: "the server's text message"
        case .serverBinary: "the server's binary message"
        case .ping: "the Ping"
        case .pong: "the Pong"
        case .push: "the pushed message"
        case .clientClose: "the client's Close frame"
        case .serverClose: "the server's Close frame"
        case .serverFIN: "the server's FIN"
        case .clientFIN: "the client's FIN"
        }
    }

    /// The step's name in JSON.
    var key: String { "\(self)" }

    /// The side that sends the step.
    var sender: WebSocketRole {
        switch self {
        case .tcpConnect, .request, .clientText, .clientBinary, .ping, .clientClose, .clientFIN: .client
        case .response, .serverText, .serverBinary, .pong, .push, .serverClose, .serverFIN: .server
        }
    }

    // MARK: On the wire

    /// Whether the sender observes this event when it sends the step.
    func isSending(_ event: LifecycleEvent.Kind) -> Bool {
        switch (self, event) {
        case (.tcpConnect, .connected): true
        case (.request, .requestSent): true
        case (.response, .responseSent(let response)): response.status == .switchingProtocols
        case (.serverFIN, .outputEnded), (.clientFIN, .outputEnded): true
        case (_, .frameSent(let header, _)): header.opcode == opcode
        default: false
        }
    }

    /// Whether the receiver observes this event when the step arrives.
    func isReceiving(_ event: LifecycleEvent.Kind) -> Bool {
        switch (self, event) {
        case (.tcpConnect, .connected): true
        case (.request, .requestReceived): true
        case (.response, .responseReceived(let response)): response.status == .switchingProtocols
        case (.serverFIN, .inputEnded), (.clientFIN, .inputEnded): true
        case (_, .frameReceived(let header, _)): header.opcode == opcode
        default: false
        }
    }

    /// The opcode of the step's frame, or `nil` if the step is not a frame.
    private var opcode: Opcode? {
        switch self {
        case .tcpConnect, .request, .response, .serverFIN, .clientFIN: nil
        case .clientText, .serverText, .push: .text
        case .clientBinary, .serverBinary: .binary
        case .ping: .ping
        case .pong: .pong
        case .clientClose, .serverClose: .close
        }
    }
}
