import Lifeline
import LifelineTrace
import Testing

@testable import LifelineCLI

@Suite("The parts of bench")
struct BenchPartsTests {
    // MARK: Sizes

    @Test(
        "Sizes are parsed",
        arguments: [
            ("0", 0), ("64", 64), ("64B", 64), ("16KiB", 16 << 10), ("16k", 16 << 10), ("1MiB", 1 << 20),
            ("1M", 1 << 20),
            ("1GiB", 1 << 30),
        ])
    func size(text: String, bytes: Int) {
        #expect(ByteCount(number: text)?.bytes == bytes)
        #expect(ByteCount(number: ByteCount(bytes).description) == ByteCount(bytes))
    }

    @Test(
        "Malformed sizes are rejected",
        arguments: ["", "KiB", "-1", "1.5k", "16kib", "1025GiB", "99999999999999999999", "1 KiB", "+1"])
    func noSize(text: String) {
        #expect(ByteCount(number: text) == nil)
    }

    // MARK: Payloads

    @Test("A payload has the requested size", arguments: [0, 1, 15, 16, 64, 1000], [false, true])
    func payload(size: Int, isText: Bool) {
        let payload = Payload(size: size, isText: isText)
        #expect(payload.bytes.count == size)
        #expect((payload.text != nil) == isText)
        if let text = payload.text { #expect(Array(text.utf8) == payload.bytes) }
    }

    // MARK: What is due

    @Test("Slow messages are due one by one")
    func slowSchedule() {
        var schedule = Schedule(start: 1_000, rate: 1_000)
        #expect(schedule.burst == 1)
        #expect(schedule.take(by: 999) == nil)
        #expect(schedule.take(by: 1_000) == 1_000)
        #expect(schedule.take(by: 1_000) == nil)
        #expect(schedule.next == 1_001_000)
        // Two that were late keep the moments at which they were due.
        #expect(schedule.take(by: 2_500_000) == 1_001_000)
        #expect(schedule.take(by: 2_500_000) == 2_001_000)
        #expect(schedule.take(by: 2_500_000) == nil)
    }

    @Test(
        "Fast messages are due in bursts, and as many in a second as were asked for",
        arguments: [4_000.0, 12_345, 1e6, 3e7])
    func fastSchedule(rate: Double) {
        var schedule = Schedule(start: 0, rate: rate)
        var count = 0
        // Up to the end of the second, and not of the burst behind it.
        while schedule.take(by: 999_999_000) != nil { count += 1 }
        #expect(abs(Double(count) - rate) <= Double(schedule.burst))
        #expect(Double(schedule.moment(ofBurst: 1)) >= Schedule.grain * 0.999)
    }

    @Test("An unsent message has waited since it was due")
    func overdue() {
        var schedule = Schedule(start: 0, rate: 1_000)
        _ = schedule.take(by: 0)
        var waits: [UInt64] = []
        schedule.overdue(at: 3_200_000) { waited, count in waits += Array(repeating: waited, count: count) }
        #expect(waits == [2_200_000, 1_200_000, 200_000])
    }

    @Test("The unsent part of a burst is overdue")
    func overdueBurst() {
        var schedule = Schedule(start: 0, rate: 40_000)
        #expect(schedule.burst == 10)
        for _ in 0..<4 { _ = schedule.take(by: 0) }
        var total = 0
        schedule.overdue(at: 250_000) { _, count in total += count }
        #expect(total == 6 + 10)
        // Nothing was taken by that.
        #expect(schedule.taken == 4)
    }

    /// A server that answers nothing for a while: with a closed loop there would be one long latency, with a schedule
    /// there are as many as messages were due meanwhile.
    @Test("A stall delays every message that was due during it")
    func coordinatedOmission() {
        var schedule = Schedule(start: 0, rate: 1_000)
        var latencies = Latencies()
        // One connection, answered at once for 10 ms, then nothing until 110 ms, then at once again up to 120 ms.
        var now: UInt64 = 0
        while now < 120_000_000 {
            if let due = schedule.take(by: now) {
                if now > 10_000_000, now < 110_000_000 { now = 110_000_000 }
                latencies.record(now - due)
            } else {
                now = schedule.next
            }
        }
        #expect(latencies.count == 120)
        #expect(latencies.maximum >= .milliseconds(98))
        // Of 120, a hundred waited up to 99 ms: half of all waited more than 35 ms.
        #expect(latencies.percentile(50) > .milliseconds(35))
    }

    // MARK: Messages on their way

    @Test("Echoes match messages in order")
    func inFlight() {
        var inFlight = InFlight(capacity: 3)
        #expect(inFlight.popFirst() == nil)
        for round: UInt64 in 0..<10 {
            inFlight.append(round * 10)
            inFlight.append(round * 10 + 1)
            #expect(inFlight.moments == [round * 10, round * 10 + 1])
            #expect(inFlight.popFirst() == round * 10)
            #expect(inFlight.popFirst() == round * 10 + 1)
        }
        #expect(inFlight.count == 0)
    }

    // MARK: Latencies

    @Test("Percentiles have three significant digits")
    func percentiles() {
        var latencies = Latencies()
        for value: UInt64 in 1...10_000 { latencies.record(value * 1_000) }
        #expect(latencies.count == 10_000)
        for percent in Latencies.reported {
            let wanted = percent / 100 * 10_000 * 1_000
            let found = latencies.percentile(percent) / .nanoseconds(1)
            #expect(abs(found - wanted) <= wanted / 500, "p\(percent)")
        }
        #expect(abs(latencies.mean / .microseconds(1) - 5000) < 10)
        #expect(abs(latencies.maximum / .microseconds(1) - 10_000) < 10)
    }

    @Test("Histograms can be merged, and latencies are capped")
    func addedLatencies() {
        var one = Latencies()
        var other = Latencies()
        one.record(1_000, count: 3)
        other.record(.max)
        one.add(other)
        #expect(one.count == 4)
        #expect(one.maximum >= .seconds(3600) && one.maximum < .seconds(3700))
        #expect(Latencies().mean == .zero && Latencies().maximum == .zero)
    }

    // MARK: Processes

    @Test("Processor time is read even if the process's name has spaces or parentheses")
    func processTime() {
        let stat = "42 (a) b) c) S 1 2 3 4 5 6 7 8 9 10 250 150 0 0 20 0 5\n"
        #expect(ProcessFigures.time(stat: stat, ticksPerSecond: 100) == .init(user: 2.5, system: 1.5))
        #expect(ProcessFigures.time(stat: "42", ticksPerSecond: 100) == nil)
        #expect(ProcessFigures.time(stat: "42 (a) S 1", ticksPerSecond: 100) == nil)
    }

    @Test("The time a thread waited for a core is read")
    func threadWaited() {
        #expect(ProcessFigures.waited(schedstat: "1200 345 6\n") == 345)
        #expect(ProcessFigures.waited(schedstat: "1200\n") == nil)
    }

    @Test("The memory of a process is read")
    func processMemory() {
        let rollup = "5581-7ffd ---p 00000000 00:00 0 [rollup]\nRss:   1024 kB\nPss:  900 kB\nPss_Anon:  500 kB\n"
        #expect(ProcessFigures.memory(rollup: rollup) == .init(resident: 1 << 20, anonymous: 500 << 10))
        #expect(ProcessFigures.memory(rollup: "Rss: 4 kB\n") == .init(resident: 4096, anonymous: nil))
        #expect(ProcessFigures.memory(rollup: "") == nil)
    }

    // MARK: Published messages

    @Test(
        "A message contains when it was sent", arguments: [0, 1, 0x0123_4567_89AB_CDEF, .max] as [UInt64],
        [false, true])
    func stamp(moment: UInt64, isText: Bool) {
        let payload = Payload(size: 40, isText: isText)
        let stamped = payload.stamped(moment)
        #expect(stamped.count == 40 && Array(stamped[16...]) == Array(payload.bytes[16...]))
        #expect(UInt64(String(decoding: stamped.prefix(16), as: UTF8.self), radix: 16) == moment)
    }

    @Test("The publisher may send again when every connection has received the oldest message")
    func progress() {
        let progress = BroadcastProgress()
        for _ in 0..<3 { progress.subscriberOpened() }
        var messages = PublishedMessages()
        messages.append(100, until: progress.publish())
        messages.append(200, until: progress.publish())
        #expect(progress.outstanding == 6 && progress.audience == 3)
        progress.setGoal(messages.goal)
        #expect(!progress.settle() && !progress.settle() && progress.settle())
        messages.settle(progress.settled)
        #expect(messages.count == 1 && messages.goal == 6)
        // A message that is under way has waited since it was sent, once for each delivery that is missing.
        #expect(!progress.settle() || messages.goal == 6)
        var missing: [UInt64: Int] = [:]
        messages.outstanding(after: progress.settled) { missing[$0] = $1 }
        #expect(missing == [200: 2])
    }

    @Test("A closed connection is not waited for")
    func subscriberEnds() {
        let progress = BroadcastProgress()
        for _ in 0..<2 { progress.subscriberOpened() }
        var messages = PublishedMessages()
        for moment in [1, 2] as [UInt64] { messages.append(moment, until: progress.publish()) }
        progress.setGoal(messages.goal)
        // It had received one of the two, and so had the other.
        #expect(!progress.settle())
        #expect(progress.settle())
        #expect(progress.subscriberClosed(after: 1))
        #expect(progress.audience == 1 && progress.outstanding == 1)
        #expect(progress.settle() && progress.outstanding == 0)
        messages.settle(progress.settled)
        #expect(messages.count == 0 && messages.goal == nil)
        progress.setGoal(messages.goal)
        #expect(!progress.settle(0))
    }

    // MARK: What went wrong

    @Test("The worst fault decides the exit status")
    func faults() {
        var faults = Faults()
        #expect(faults.status == .success)
        faults.note(.connect, "first")
        faults.note(.connect, "second", count: 2)
        #expect(faults.status == .unconnected)
        #expect(faults[.connect] == 3 && faults.examples[.connect] == "first")
        faults.note(.handshake, "refused")
        #expect(faults.status == .refused)
        var others = Faults()
        others.note(.wrongEcho, "wrong")
        others.note(.lost, "none", count: 0)
        faults.add(others)
        #expect(faults.status == .abnormal && faults.total == 5 && faults[.lost] == 0)
    }
}
