import DrawingSupport
import FuzzSupport
import Lifeline
import LifelineTrace

@testable import CommandReaders

// Untrusted HTTP Archives. They are read or rejected. What was read is drawn, prepared for a replay, and written as an archive that can be
// read again.

@_cdecl("lifeline_fuzz_archive")
public func fuzz(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    checkWork { read(FuzzInput(bytes, count)) }
    return 0
}

private func read(_ input: FuzzInput) {
    var input = input
    let choice = input.byte()
    guard let recording = try? HAR.read(String(decoding: input.remaining(), as: UTF8.self)) else { return }
    draw(recording, by: choice)
    _ = try? Recording(recording.text)
    for side in [WebSocketRole.client, .server] {
        guard let replay = try? Replay(recording, connection: nil, side: side) else { continue }
        check(replay.end >= 0 && replay.steps.allSatisfy { $0.time >= 0 }, "a negative time")
    }
    let archive = HAR.write(recording, software: "fuzzing")
    do {
        let again = try HAR.read(archive)
        check(again.connections.count == recording.connections.count, "a connection is lost")
    } catch {
        fatalError("what was written is not read: \(error)")
    }
}
