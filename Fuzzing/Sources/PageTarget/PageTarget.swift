import DrawingSupport
import Foundation
import FuzzSupport
import Lifeline

@testable import LifelineTrace

// Input from a browser to the page's server: messages, and the query of a request. A message is one of a few commands, and what it asks
// for exists or does not.

@_cdecl("lifeline_fuzz_page")
public func fuzz(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    var input = FuzzInput(bytes, count)
    let start = Int(truncatingIfNeeded: input.number())
    let text = String(decoding: input.remaining(), as: UTF8.self)
    let parameters = text.queryParameters
    check(parameters.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count } <= text.utf8.count, "a longer query")
    guard let wish = PageRequest(text) else { return 0 }
    check(text.utf8.count < PageRequest.limit, "a long wish")
    let again = (try? JSONEncoder().encode(wish)).flatMap { PageRequest(String(decoding: $0, as: UTF8.self)) }
    check(again == wish, "another wish")
    guard let watch = wish.watch else { return 0 }
    let isThere = watch < 3
    let found = board.events(of: watch, from: start)
    check((found != nil) == isThere, "a connection that is not there, or none that is")
    if let (events, next) = found {
        check(next == 1000 && events.count <= 41, "\(events.count) events, and then \(next)")
        var builder = DiagramBuilder(options: SequenceDiagram.Options(), observer: .server)
        for event in events { builder.add(event) }
        check(builder.rows.count <= events.count + 4, "\(builder.rows.count) rows")
    }
    return 0
}

/// Three connections, some of whose events are not kept.
private let board: ConnectionBoard = {
    var options = ConnectionBoard.Options()
    options.maximumEvents = 40
    let board = ConnectionBoard(options: options)
    for connection in UInt64(0)..<3 {
        for number in 0..<1000 {
            board.record(
                TraceEvent(
                    time: 0, connection: connection, observer: .server,
                    kind: .message(.sent, .init(isText: true, size: number, wireSize: number))),
                at: MonotonicInstant(nanoseconds: Int64(number)))
        }
    }
    return board
}()
