import LifelineCore
import LifelineTesting
import NIOCore
import Testing

@testable import Lifeline

/// What the connections of a loop share: turns, jobs and deadlines.
@Suite("Loop") struct LoopTests {
    @Test func deadlinesComeWhenTheyAreDue() throws {
        let simulation = LivenessTests.busyServer()
        var clients: [RawPeer] = []
        for _ in 0..<200 {
            clients.append(simulation.rawClient())
            simulation.advance(by: .milliseconds(37))
        }
        // Each is given up ten seconds after it came, or up to a quarter of a second later.
        simulation.advance(by: .seconds(6))
        for (number, client) in clients.enumerated() {
            let age = Duration.milliseconds(37 * (200 - number)) + .seconds(6)
            if age < .seconds(10) { #expect(!client.isOver, "\(number)") }
            if age > .milliseconds(10_250) { #expect(client.isOver, "\(number)") }
        }
        simulation.advance(by: .seconds(11))
        #expect(clients.count { $0.isOver } == 200)
        #expect(simulation.loop.connections.isEmpty)
    }

    /// Handlers that keep each other busy do not keep the loop from its sockets.
    @Test func busyHandlersDoNotStarveOthers() throws {
        let mayStop = Gate()
        let rounds = Collected<Int>()
        let simulation = Simulation { routes in
            routes.route("/busy") { _ in
                while !mayStop.isOpen {
                    await Task.yield()
                    rounds.append(1)
                }
            }
            routes.route("/echo", handler: echo)
        }
        let busy = simulation.rawClient()
        let client = simulation.openRawClient("/echo")
        busy.send(.request("/busy"))
        var steps = 0
        while rounds.isEmpty, steps < 100 {
            simulation.network.runOnce()
            steps += 1
        }
        client.send(.text("hello"))
        while client.bytes.isEmpty, steps < 200 {
            simulation.network.runOnce()
            steps += 1
        }
        #expect(try client.takeFrames().map(\.text) == ["hello"])
        #expect(simulation.loop.jobs.hasJobs, "the busy one is still at it")
        mayStop.open()
        simulation.run()
    }

    /// Any number of jobs from elsewhere wake the loop once, and run in their order.
    @Test func jobsFromElsewhereRunInOrder() {
        let order = Collected<Int>()
        let simulation = Simulation { _ in }
        for number in 0..<100 {
            _ = simulation.start(.elsewhere) {
                await Task(executorPreference: simulation.loop) { order.append(number) }.value
            }
        }
        simulation.run()
        #expect(order.values == Array(0..<100))
    }
}

/// The queues behind a connection.
@Suite("Queues") struct QueueTests {
    static func item(_ text: String, isFirst: Bool = true, isLast: Bool = true) -> Inbox.Item {
        Array(text.utf8).withUnsafeBytes {
            Inbox.Item(Connection.BorrowedMessage(kind: .text, bytes: $0, isFirst: isFirst, isLast: isLast))
        }
    }

    @Test func anInboxKeepsOrderAndCounts() {
        var random = SplitMix64(seed: 1)
        var inbox = Inbox()
        var model: [String] = []
        for number in 0..<4000 {
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<(number / 1000 % 2 == 0 ? 12 : 8):
                model.append(String(repeating: "x", count: number % 7) + "\(number)")
                inbox.append(Self.item(model.last ?? ""))
            case 19:
                model.insert("first \(number)", at: 0)
                inbox.prepend(Self.item("first \(number)"))
            default:
                let popped = inbox.popFirst().map { String(buffer: $0.bytes) }
                #expect(popped == (model.isEmpty ? nil : model.removeFirst()))
            }
            #expect(inbox.isEmpty == model.isEmpty)
            #expect(inbox.size == model.reduce(0) { $0 + $1.utf8.count + 64 })
        }
        inbox.removeAll()
        #expect(inbox.isEmpty && inbox.size == 0)
    }

    @Test func aMailboxWakesItsLoopOnce() {
        let mailbox = Mailbox<Int>()
        #expect(mailbox.add(1) == .mustWake)
        #expect(mailbox.add(2) == .isAwake)
        #expect(mailbox.takeAll() == [1, 2])
        #expect(mailbox.takeAll().isEmpty)
        #expect(mailbox.add(3) == .mustWake)
        #expect(mailbox.close() == [3])
        #expect(mailbox.add(4) == .isClosed)
        #expect(mailbox.takeAll().isEmpty)
    }

    @Test func heldInputKeepsWhatIsLeft() {
        var held = HeldInput()
        #expect(held.isEmpty)
        held.keep([1, 2, 3, 4], from: 1)
        var more: [UInt8] = [5, 6]
        more.withUnsafeMutableBytes { held.append($0) }
        #expect(held.count == 5 && !held.isEmpty)
        let (bytes, start) = held.take()
        #expect(bytes[start...] == [2, 3, 4, 5, 6])
        #expect(held.isEmpty && held.capacity == 0)
        held.isEnded = true
        #expect(!held.isEmpty && held.count == 0)
    }

    /// Only what is written while something was pending shows that the peer reads.
    @Test func outputProgressShowsThatThePeerReads() {
        var progress = OutputProgress()
        func peerReads(_ pending: Int) -> Bool { progress.update(pending: pending) }
        #expect(!peerReads(0))
        progress.handOver(100)
        #expect(!peerReads(40), "the system's buffer took it")
        #expect(!peerReads(40), "nothing was written")
        progress.handOver(30)
        #expect(peerReads(50), "20 were written, although more is pending")
        #expect(peerReads(0))
        progress.handOver(10)
        #expect(!peerReads(0), "nothing was pending")
    }

    @Test func aStallEndsWithProgress() {
        var stall = StallTracker()
        let now = MonotonicInstant(nanoseconds: 5)
        stall.start(at: now, timeout: .seconds(3), written: 10)
        #expect(stall.deadline == now.advanced(by: .seconds(3)))
        #expect(!stall.hasProgress(written: 10) && stall.hasProgress(written: 11))
        stall.stop()
        #expect(stall.deadline == nil)
    }

    @Test func deadlinesMoveWithTheirConnections() throws {
        let simulation = LivenessTests.busyServer()
        var clients = (0..<50).map { _ in simulation.openRawClient() }
        clients.shuffle(using: &simulation.network.random)
        while let client = clients.popLast() {
            client.transport.reset()
            simulation.run()
            let connections = simulation.loop.connections
            #expect(connections.count == clients.count)
            #expect(connections.map(\.deadlinePlace) == Array(connections.indices))
        }
        #expect(simulation.loop.connections.isEmpty)
    }
}
