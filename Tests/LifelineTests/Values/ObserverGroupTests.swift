import LifelineCore
import Testing

@testable import Lifeline

/// Of several observers each is told what it would be told alone.
@Suite("Several observers") struct ObserverGroupTests {
    /// Keeps the payloads that it is told of.
    private final class Limited: LifecycleObserver {
        let payloadLimit: Int
        private let collected = Collected<(control: Bool, bytes: [UInt8])>()

        init(_ payloadLimit: Int) {
            self.payloadLimit = payloadLimit
        }

        func observe(_ event: LifecycleEvent) {
            switch event.kind {
            case .frameSent(let header, let preview), .frameReceived(let header, let preview):
                collected.append((header.opcode.isControl, preview))
            case .messageSent(let summary), .messageReceived(let summary): collected.append((false, summary.payload))
            default: break
            }
        }

        var payloads: [[UInt8]] { collected.values.map(\.bytes) }
        var data: [[UInt8]] { collected.values.filter { !$0.control }.map(\.bytes) }
    }

    private static func seen(by observers: [Limited]) throws {
        let simulation = Simulation(configure: { $0.observers = observers }, routes: { $0.route(handler: echo) })
        try simulation.value {
            let socket = try await simulation.connect()
            for size in [0, 1, 256, 257, 5000] { try await socket.send(String(repeating: "x", count: size)) }
            for _ in 0..<5 { _ = try await socket.receiveCopy() }
            _ = try await socket.ping()
            try await socket.close(code: .normalClosure, reason: "enough")
        }
    }

    @Test(
        "Each of several observers receives the events and payloads that it would receive alone",
        arguments: [0, 1, 256, 4096, .max])
    func eachObserverReceivesItsOwn(limit: Int) throws {
        let alone = Limited(limit)
        try Self.seen(by: [alone])
        #expect(alone.data.contains { $0.count == min(limit, 5000) } && alone.data.allSatisfy { $0.count <= limit })
        let together = [Limited(256), Limited(limit), Limited(4096), Limited(0)]
        try Self.seen(by: together)
        #expect(together[1].data == alone.data)
        #expect(together[0].data.allSatisfy { $0.count <= 256 } && together[3].data.allSatisfy(\.isEmpty))
        #expect(together[1].payloads.map(\.count) == alone.payloads.map(\.count))
    }
}
