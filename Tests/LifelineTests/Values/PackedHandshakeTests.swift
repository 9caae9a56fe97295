import HTTPTypes
import Testing

@testable import Lifeline
@testable import LifelineCore

/// What an open connection keeps of its opening handshake, and gives back as it was.
@Suite("Packed handshakes") struct PackedHandshakeTests {
    @Test("A packed handshake unpacks to the same request, response and agreement")
    func unpackingRestoresEverything() {
        var request = HTTPRequest(
            method: .connect, scheme: "https", authority: "example.org:8443", path: "/chat?room=ä%20b",
            headerFields: [.origin: "https://example.org", .cookie: "a=b"])
        request.extendedConnectProtocol = "websocket"
        request.headerFields.append(HTTPField(name: .cookie, value: "c=\u{1F44B}"))
        request.headerFields.append(HTTPField(name: HTTPField.Name("X-Empty")!, value: ""))
        request.headerFields.append(
            HTTPField(name: HTTPField.Name("X-Long")!, value: String(repeating: "long ", count: 5000)))
        let response = HTTPResponse(
            status: HTTPResponse.Status(code: 101, reasonPhrase: "Gladly"), headerFields: [.upgrade: "websocket"])
        let agreement = HandshakeAgreement(
            subprotocol: "chat",
            extensions: [
                WebSocketExtension(
                    name: "permessage-deflate",
                    parameters: [
                        .init(name: "server_no_context_takeover"), .init(name: "client_max_window_bits", value: "12"),
                    ]), WebSocketExtension(name: "x-other"),
            ])
        let unpacked = PackedHandshake(request, response, agreement).unpack()
        #expect(unpacked.request == request)
        #expect(unpacked.request.headerFields.map(\.name.rawName) == request.headerFields.map(\.name.rawName))
        #expect(unpacked.response == response)
        #expect(unpacked.response.status.reasonPhrase == "Gladly")
        #expect(unpacked.agreement == agreement)
    }

    @Test("A packed handshake keeps absent parts absent")
    func absentPartsStayAbsent() {
        let request = HTTPRequest(method: .get, scheme: nil, authority: nil, path: nil)
        let response = HTTPResponse(status: .switchingProtocols)
        let agreement = HandshakeAgreement(subprotocol: nil, extensions: [])
        let unpacked = PackedHandshake(request, response, agreement).unpack()
        #expect(unpacked.request == request && unpacked.request.extendedConnectProtocol == nil)
        #expect(unpacked.response == response)
        #expect(unpacked.agreement == agreement && unpacked.agreement.subprotocol == nil)
    }
}
