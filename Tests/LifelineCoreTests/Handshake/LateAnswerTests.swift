import HTTPTypes
import LifelineCore
import Testing

@Suite("Requests that are not answered in time") struct LateAnswerTests {
    @Test("RFC 9110 §15.6.4: a pending request is answered with 503 at the deadline, once", arguments: [true, false])
    func theDeadlineAnswers(isOpening: Bool) {
        var random = RandomPool(SplitMix64(seed: 1))
        let start = MonotonicInstant(nanoseconds: 0)
        var configuration = EndpointConfiguration.server
        configuration.handshakeTimeout = isOpening ? .seconds(3) : .seconds(1)
        configuration.requestTimeout = isOpening ? .seconds(1) : .seconds(3)
        var endpoint = Endpoint(server: configuration, at: start, random: &random)
        let upgrade = isOpening ? "Upgrade: websocket\r\n" : ""
        var bytes = Array("GET /chat HTTP/1.1\r\nHost: a\r\n\(upgrade)\r\n".utf8)
        let hasRequest = bytes.withUnsafeMutableBytes {
            var input = ReadBuffer($0)
            if case .request = endpoint.receive(&input, at: start) { return true } else { return false }
        }
        #expect(hasRequest)
        endpoint.advance(to: start.advanced(by: .seconds(2)))
        #expect(!endpoint.hasOutput && endpoint.request != nil)
        endpoint.advance(to: start.advanced(by: .seconds(3)))
        var output: [UInt8] = []
        endpoint.drainOutput(random: &random) { output += $0 }
        let text = String(decoding: output, as: UTF8.self)
        #expect(text.hasPrefix("HTTP/1.1 503 ") && text.contains("Connection: close"))
        #expect(endpoint.refusal?.status == .serviceUnavailable && endpoint.transportRequest == .shutdownOutput)
        #expect(endpoint.request == nil)
        // The application's own answer comes too late, and changes nothing.
        endpoint.accept(HTTPResponse(status: .switchingProtocols), at: start.advanced(by: .seconds(4)), random: &random)
        #expect(endpoint.phase == .ending && !endpoint.hasOutput)
    }
}
