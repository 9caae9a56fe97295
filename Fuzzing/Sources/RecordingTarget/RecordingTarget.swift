import DrawingSupport
import FuzzSupport
import Lifeline
import LifelineTrace

@testable import CommandReaders

// Untrusted recordings: JSON Lines, or events that the input chooses. They are read or rejected. What was read is written and read again
// unchanged, and drawn, exported and prepared for a replay.

@_cdecl("lifeline_fuzz_recording")
public func fuzz(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    checkWork { play(FuzzInput(bytes, count)) }
    return 0
}

private func play(_ input: FuzzInput) {
    var input = input
    let choice = input.byte()
    if choice & 1 == 1 {
        guard let recording = try? Recording(String(decoding: input.remaining(), as: UTF8.self)) else { return }
        read(recording, choice >> 1)
    } else {
        let made = Recording(began: input.text(), events: events(&input))
        draw(made, by: choice >> 1)
        do {
            read(try Recording(made.text), choice >> 1)
        } catch {
            fatalError("what was written is not read: \(error)")
        }
    }
}

private func read(_ recording: Recording, _ choice: UInt8) {
    do {
        check(try Recording(recording.text) == recording, "something else is read than was written")
    } catch {
        fatalError("what was written is not read: \(error)")
    }
    draw(recording, by: choice)
    for side in [WebSocketRole.client, .server] {
        guard let replay = try? Replay(recording, connection: nil, side: side) else { continue }
        check(replay.steps.count <= 2 * recording.events.count, "too many steps")
        check(replay.end >= 0 && replay.steps.allSatisfy { $0.time >= 0 }, "a negative time")
        let comparison = ReplayComparison(replay, ignoring: ["a"])
        for pace in [0, 1e-6, 1, 1e6] {
            let player = ReplayPlayer(replay: replay, comparison: comparison, pace: pace, timeout: .zero)
            check((.zero...TimeSpan.longest).contains(player.paced(replay.end)), "a time that nobody waits")
        }
        for answer in replay.answers.reversed() { comparison.add(answer) }
        _ = comparison.report()
    }
}

private func events(_ input: inout FuzzInput) -> [TraceEvent] {
    var events: [TraceEvent] = []
    for _ in 0..<input.below(64) {
        let choice = input.byte()
        let kind = kind(choice & 31, &input)
        events.append(
            TraceEvent(
                time: input.number(), connection: choice & 32 == 0 ? 1 : UInt64(truncatingIfNeeded: input.number()),
                observer: choice & 64 == 0 ? .client : .server, kind: kind))
    }
    return events
}

private func kind(_ choice: UInt8, _ input: inout FuzzInput) -> TraceEvent.Kind {
    let direction: TraceEvent.Direction = input.choice() ? .sent : .received
    func integer() -> Int { Int(truncatingIfNeeded: input.number()) }
    func payload() -> [UInt8]? { input.choice() ? Array(input.text().utf8) : nil }
    func head() -> TraceEvent.HTTPHead {
        TraceEvent.HTTPHead(
            method: input.text(), target: input.text(), authority: input.text(),
            status: input.choice() ? 101 : integer(), reason: input.text(),
            fields: (0..<input.below(4)).map { _ in
                .init(
                    name: ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Location", ""][input.below(4)],
                    value: input.text())
            })
    }
    switch choice {
    case 0: return .connecting(host: input.text(), port: integer())
    case 1: return .resolved(addresses: (0..<input.below(4)).map { _ in input.text() })
    case 2: return .connectFailed(reason: input.text())
    case 3: return .connected(peer: input.text())
    case 4: return .secured(version: input.text(), certificate: input.text())
    case 5: return .request(direction, head())
    case 6: return .response(direction, head())
    case 7: return .roundTrip(nanoseconds: input.number())
    case 8: return .paused(direction, pendingBytes: integer())
    case 9: return .resumed(direction)
    case 10:
        return .compressed(
            .init(
                sentBytes: integer(), sentWireBytes: integer(), receivedBytes: integer(), receivedWireBytes: integer()))
    case 11: return .failed(reason: input.text())
    case 12:
        return .ended(
            .init(
                initiator: [.local, .peer, .both][input.below(3)], isClean: input.choice(),
                code: UInt16(truncatingIfNeeded: integer()), reason: input.text(), failure: input.text()))
    case 13: return .finished(direction)
    case 14: return .tcpEnded
    case 15: return .note(input.text())
    case 16...23:
        return .frame(
            direction,
            .init(
                opcode: input.byte(), isFinal: input.choice(), rsv1: input.choice(), isMasked: input.choice(),
                length: integer(), payload: payload()))
    default:
        let payload = payload()
        return .message(
            direction,
            .init(
                isText: input.choice(), size: input.choice() ? payload?.count ?? 0 : integer(), wireSize: integer(),
                isCompressed: input.choice(), frames: integer(), payload: payload))
    }
}
