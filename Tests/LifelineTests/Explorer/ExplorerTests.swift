import Foundation
import LifelineTesting
import Testing

@testable import Lifeline

/// Transport, connection and handler are machines that meet in more states than anybody foresees; these go through them.
///
/// `LIFELINE_EXPLORE_SEEDS` is the number of random sequences, `LIFELINE_EXPLORE_GRAIN` (0 to 2) is how much tells states apart,
/// `LIFELINE_EXPLORE_SEED` runs that one alone, and `LIFELINE_EXPLORE_DEPTH` is the length of the sequences of which all
/// are run.
@Suite("The explorer") struct ExplorerTests {
    private static func number(_ name: String) -> Int? {
        ProcessInfo.processInfo.environment["LIFELINE_EXPLORE_\(name)"].flatMap { Int($0) }
    }

    static let halves: [ExplorerSetting] = [ExplorerSetting.Sides.server, .client].flatMap { sides in
        ExplorerSetting.Handler.allCases.map { ExplorerSetting(sides: sides, handlers: [$0]) }
    }

    /// Most of what a task's place changes shows in the shorter sequences; a longer run takes all of six.
    private static func depth(_ setting: ExplorerSetting) -> Int {
        switch (setting.sides, setting.handlers[0]) {
        case (_, .onLoop), (.server, .task), (.client, .taskElsewhere): 6
        default: 4
        }
    }

    @Test("Every event in every state of a connection keeps the invariants", arguments: halves)
    func eachEventInEachState(setting: ExplorerSetting) {
        let start = ContinuousClock.now
        let figures = Explorer.exploreAll(
            setting, depth: Self.number("DEPTH") ?? Self.depth(setting),
            Self.number("GRAIN").flatMap(StateDigest.Grain.init) ?? .coarse,
            maximumRuns: Self.number("RUNS") ?? .max)
        print("explored \(setting): \(figures), \(start.duration(to: .now))")
        for failure in figures.failures.prefix(5) { Issue.record("\(Explorer.shrunk(failure))") }
    }

    /// A client and a server, or one of them and a peer that speaks bytes, over a network of which each seed has its own.
    @Test("Long random sequences of events keep the invariants")
    func longSequencesBySeed() {
        let start = ContinuousClock.now
        let only = Self.number("SEED")
        let seeds = only.map { $0...$0 } ?? 1...(Self.number("SEEDS") ?? 150)
        var failures: [Explorer.Failure] = []
        var events = 0
        for seed in seeds {
            let setting = Self.setting(seed: UInt64(seed))
            let steps = Explorer.randomSteps(setting, count: 200)
            events += steps.count
            let problems = Explorer.run(setting, steps)
            guard !problems.isEmpty else { continue }
            failures.append(Explorer.Failure(setting: setting, steps: steps, problems: problems))
            if failures.count == 5 { break }
        }
        print("explored \(seeds.count) seeds, \(events) events, \(start.duration(to: .now))")
        for failure in failures { Issue.record("\(Explorer.shrunk(failure))") }
    }

    /// The setting of a seed: every pair of handlers comes up.
    static func setting(seed: UInt64) -> ExplorerSetting {
        let handlers = ExplorerSetting.Handler.allCases
        guard seed.isMultiple(of: 2) else {
            return ExplorerSetting(
                sides: seed % 4 == 1 ? .server : .client, handlers: [handlers[Int(seed / 4 % 3)]], seed: seed,
                variesLink: true)
        }
        return ExplorerSetting(
            sides: .both, handlers: [handlers[Int(seed / 2 % 3)], handlers[Int(seed / 6 % 3)]], seed: seed,
            variesLink: true)
    }

    // MARK: The explorer itself

    @Test("Shrinking leaves only the elements that the failure needs")
    func aListIsShrunkToWhatFails() {
        var tries = 0
        let list = Explorer.shrunk(Array(0..<200)) { list in
            tries += 1
            return [17, 18, 151].allSatisfy(list.contains)
        }
        #expect(list == [17, 18, 151])
        #expect(tries < 200)
        #expect(Explorer.shrunk([1, 2, 3]) { $0.contains(2) } == [2])
        #expect(Explorer.shrunk([1, 1, 1, 1]) { $0.count >= 3 } == [1, 1, 1])
        #expect(Explorer.shrunk([] as [Int]) { _ in true } == [])
    }

    /// A fault of the application's own that takes a Ping, and two messages received behind it.
    @Test("The explorer finds a planted fault, and shrinks it to the events that cause it")
    func aPlantedFaultIsFoundAndShrunk() throws {
        let setting = ExplorerSetting(sides: .server, handlers: [.onLoop], seed: 5, isPlanted: true)
        let steps = try #require(
            (1...50 as ClosedRange<UInt64>).lazy.map { seed in
                var setting = setting
                setting.seed = seed
                return Explorer.randomSteps(setting, count: 200)
            }.first { !Explorer.run(setting, $0).isEmpty })
        let found = Explorer.Failure(setting: setting, steps: steps, problems: Explorer.run(setting, steps))
        let shrunk = Explorer.shrunk(found)
        #expect(shrunk.problems.contains { $0.contains("twice") }, "\(shrunk)")
        let events = shrunk.steps.map(\.event)
        #expect(events.contains(.ping) && events.count <= 3, "\(shrunk)")
        #expect(Explorer.run(shrunk.setting, shrunk.steps) == shrunk.problems, "it fails again, in the same way")
        for index in shrunk.steps.indices {
            var fewer = shrunk.steps
            fewer.remove(at: index)
            #expect(Explorer.run(setting, fewer).isEmpty, "event \(index) is needed")
        }
    }

    @Test("The same seed gives the same states")
    func aSeedIsReproducible() {
        func states(_ seed: UInt64) -> [StateDigest] {
            let setting = Self.setting(seed: seed)
            let world = ExplorerWorld(setting)
            return Explorer.randomSteps(setting, count: 100).map { step in
                world.perform(step)
                return StateDigest(world, .fine)
            }
        }
        for seed in 1...6 as ClosedRange<UInt64> { #expect(states(seed) == states(seed), "seed \(seed)") }
    }
}
