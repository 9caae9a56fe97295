import Lifeline
import Testing

@testable import LifelineCLI

@Suite("The demo")
struct WireWatchTests {
    private let limit = Duration.milliseconds(50)

    private func frame(_ opcode: Opcode, _ payload: [UInt8]) -> (FrameHeader, [UInt8]) {
        (FrameHeader(opcode: opcode, payloadLength: UInt64(payload.count)), payload)
    }

    private func sent(_ opcode: Opcode, by role: WebSocketRole, _ payload: [UInt8] = []) -> Observation {
        let (header, preview) = frame(opcode, payload)
        return Observation(role: role, event: .frameSent(header, preview: preview), time: .now)
    }

    private func received(_ opcode: Opcode, by role: WebSocketRole, _ payload: [UInt8] = []) -> Observation {
        let (header, preview) = frame(opcode, payload)
        return Observation(role: role, event: .frameReceived(header, preview: preview), time: .now)
    }

    private func failure(_ watch: WireWatch, _ step: DemoStep) async -> String {
        do {
            _ = try await watch.waitFor(step, within: limit)
            return "seen"
        } catch {
            return "\(error)"
        }
    }

    @Test("A step counts once client and server have observed it")
    func seen() async throws {
        let watch = WireWatch()
        let waitFor = Task { try await watch.waitFor(.clientText, within: .seconds(10)) }
        watch.note(sent(.text, by: .client, [0x61]))
        try await Task.sleep(for: .milliseconds(20))
        watch.note(received(.text, by: .server, [0x61]))
        let seen = try await waitFor.value
        #expect(seen.elapsed >= .milliseconds(20))
        #expect(seen.content == [#"text "a""#, "1 byte"])
    }

    @Test("A step that only one of them observed fails")
    func missing() async {
        let watch = WireWatch()
        #expect(await failure(watch, .ping) == "step 5, the Ping, was seen by neither client nor server within 50.0 ms")
        watch.note(sent(.ping, by: .client))
        #expect(
            await failure(watch, .ping)
                == "step 5, the Ping, left the client, but the server did not see it within 50.0 ms")
        watch.note(received(.pong, by: .client))
        #expect(
            await failure(watch, .pong)
                == "step 6, the Pong, was seen by the client, but not by the server, which should have sent it within 50.0 ms"
        )
    }

    @Test("A step in the wrong direction does not count")
    func direction() async {
        let watch = WireWatch()
        watch.note(sent(.text, by: .server))
        watch.note(received(.text, by: .client))
        #expect(await failure(watch, .clientText).contains("seen by neither client nor server"))
        #expect(await failure(watch, .serverText) == "seen")
    }

    @Test("A step whose payload changed on the way fails")
    func changed() async {
        let watch = WireWatch()
        watch.note(sent(.binary, by: .client, [1, 2]))
        watch.note(received(.binary, by: .server, [1, 3]))
        #expect(await failure(watch, .clientBinary).contains("was changed on the way"))
    }

    @Test("Each step counts once")
    func once() async {
        let watch = WireWatch()
        watch.note(sent(.text, by: .server))
        watch.note(received(.text, by: .client))
        #expect(await failure(watch, .serverText) == "seen")
        #expect(await failure(watch, .push).contains("seen by neither client nor server"))
    }

    @Test("Steps have the numbers of the lifecycle diagram")
    func numbers() {
        #expect(DemoStep.allCases.map(\.number) == [nil, 1, 2, 3, 3, 4, 4, 5, 6, 7, 8, 9, nil, nil])
    }
}
