import DrawingSupport
import FuzzSupport
import Lifeline

@testable import LifelineTrace

// Bytes that pass through a proxy in both directions, and then through the decoder into the page's board and into drawings. Their events
// do not depend on how the bytes are split, and what is kept and drawn is bounded.

@_cdecl("lifeline_fuzz_proxy")
public func fuzz(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    checkWork { relay(FuzzInput(bytes, count)) }
    return 0
}

private func relay(_ input: FuzzInput) {
    var input = input
    let flags = input.byte()
    let seed = input.byte()
    let pieces = opening(flags) + pieces(&input, isLong: seed & 7 == 0)
    let limit = [0, 16, 4096, Int.max][Int(flags >> 3 & 3)]
    let size = pieces.reduce(0) { $0 + $1.bytes.count }
    var runs: [[TraceEvent.Kind]] = []
    for isSplit in [false, true] {
        var splitter = Splitter(seed: seed)
        var decoder = ConversationDecoder(connection: 1, payloadLimit: limit)
        var events: [TraceEvent] = []
        for piece in pieces {
            for part in isSplit ? splitter.pieces(piece.bytes) : [piece.bytes] {
                events += part.withUnsafeBytes { decoder.read($0, from: piece.sender, at: piece.time) }
            }
        }
        for sender in [WebSocketRole.client, .server] { events += decoder.finished(sender, at: .max) }
        events += decoder.ended(at: .max)
        check(events.count <= 2 * size + 16, "\(events.count) events of \(size) bytes")
        keep(events, flags, drawnBy: seed)
        runs.append(events.map(\.kind))
    }
    let window = flags & 4 != 0
    // See docs/fuzzing.md about smaller windows.
    if !window { check(runs[0] == runs[1], "\(runs[0]) in one piece, \(runs[1]) in several") }
}

/// Some bytes that one side sends.
private struct Piece {
    var sender: WebSocketRole
    var bytes: [UInt8]
    var time: Int64
}

/// The opening handshake, for most inputs, so that frames are reached.
private func opening(_ flags: UInt8) -> [Piece] {
    guard flags & 1 == 1 else { return [] }
    let request = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    var answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    if flags & 2 != 0 {
        answer += "Sec-WebSocket-Extensions: permessage-deflate"
        answer += flags & 4 != 0 ? "; server_max_window_bits=9; client_max_window_bits=9\r\n" : "\r\n"
    }
    return [
        Piece(sender: .client, bytes: Array(request.utf8), time: 0),
        Piece(sender: .server, bytes: Array((answer + "\r\n").utf8), time: 1),
    ]
}

/// - Parameter isLong: Whether what comes again and again comes so often that work beyond its size shows.
private func pieces(_ input: inout FuzzInput, isLong: Bool) -> [Piece] {
    var pieces: [Piece] = []
    var rest = input.remaining()[...]
    var size = 0
    while let control = rest.popFirst() {
        let sender: WebSocketRole = control & 1 == 0 ? .client : .server
        let time = absurdNumbers[Int(control >> 4)]
        var bytes: [UInt8] = []
        switch control >> 1 & 7 {
        case 0...3:
            let length = Int(rest.popFirst() ?? 0)
            bytes = Array(rest.prefix(length))
            rest = rest.dropFirst(length)
        // A frame that announces more, or less, than there is.
        case 4, 5:
            bytes = [rest.popFirst() ?? 0, (sender == .client ? 0x80 : 0) | 127]
            let length = announced[Int(rest.popFirst() ?? 0) % announced.count]
            bytes += (0..<8).map { UInt8(truncatingIfNeeded: length >> UInt64(56 - 8 * $0)) }
            if sender == .client { bytes += [1, 2, 3, 4] }
        // A whole frame.
        case 6:
            let first = rest.popFirst() ?? 0
            let length = Int(rest.popFirst() ?? 0) % 126
            bytes = [first, (sender == .client ? 0x80 : 0) | UInt8(length)]
            if sender == .client { bytes += [0, 0, 0, 0] }
            bytes += rest.prefix(length)
            rest = rest.dropFirst(length)
        // The same again and again.
        default:
            bytes = pieces.last?.bytes ?? []
            if bytes.count < 1024 { bytes = Array(repeatElement(bytes, count: isLong ? 32 : 4).joined()) }
        }
        size += bytes.count
        if size > 1 << 15 { break }
        pieces.append(Piece(sender: sender, bytes: bytes, time: time))
    }
    return pieces
}

/// Lengths at the ends of what a header can say (RFC 6455 §5.2).
private let announced: [UInt64] = [
    0, 125, 126, 65535, 65536, 1 << 31, 1 << 32, 1 << 62, 1 << 63 - 1, 1 << 63, .max - 1, .max,
]

/// Shows events on a board and draws them.
private func keep(_ events: [TraceEvent], _ flags: UInt8, drawnBy seed: UInt8) {
    var options = ConnectionBoard.Options()
    options.payloadLimit = flags & 32 != 0 ? 64 : 0
    options.maximumEvents = [0, 1, 3, 400][Int(flags >> 6)]
    options.maximumBytes = flags & 128 != 0 ? 20_000 : 64 << 20
    let board = ConnectionBoard(options: options)
    for event in events.dropLast() { board.record(event, at: MonotonicInstant(nanoseconds: event.time)) }
    let recording = board.recording(of: 1)
    check(recording.events.count <= max(options.maximumEvents, 1) + 1, "\(recording.events.count) events are kept")
    let kept = recording.events.reduce(0) { $0 + $1.approximateSize }
    check(kept <= options.maximumBytes + 1024, "events of \(kept) bytes are kept")
    _ = board.changes(since: 0)
    draw(recording, by: seed)
    // Drawing takes longer than all else, and is the same for those that follow.
    live(Array(events.prefix(1000)))
    if let last = events.last { board.record(last, at: MonotonicInstant(nanoseconds: .min)) }
    check(board.changes(since: 0).changed.allSatisfy { $0.ended != nil }, "a connection has not ended")
}
