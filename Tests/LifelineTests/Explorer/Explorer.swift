import Lifeline

/// Runs sequences of events, and finds the shortest of those that fail.
struct Explorer {
    /// A sequence that broke something.
    struct Failure: CustomStringConvertible {
        var setting: ExplorerSetting
        var steps: [ExplorerStep]
        var problems: [String]

        var description: String {
            """
            \(setting): \(problems.prefix(4).joined(separator: "; "))
              seed \(setting.seed), \(steps.count) events: \(steps.map(\.description).joined(separator: " "))
            """
        }
    }

    /// Runs a sequence to its end.
    ///
    /// - Returns: What was wrong.
    static func run(_ setting: ExplorerSetting, _ steps: [ExplorerStep]) -> [String] {
        let world = ExplorerWorld(setting)
        for step in steps {
            world.perform(step)
            guard world.problems.isEmpty else { return world.problems }
        }
        world.finish()
        return world.problems
    }

    /// A failure with as few events as still fail.
    static func shrunk(_ failure: Failure, attempts: Int = 400) -> Failure {
        var left = attempts
        var last = failure.problems
        let steps = shrunk(failure.steps) { steps in
            guard left > 0 else { return false }
            left -= 1
            let problems = run(failure.setting, steps)
            if !problems.isEmpty { last = problems }
            return !problems.isEmpty
        }
        return Failure(setting: failure.setting, steps: steps, problems: last)
    }

    /// A list without what can be left out so that it still fails: delta debugging (Zeller, 1999).
    static func shrunk<Element>(_ list: [Element], fails: ([Element]) -> Bool) -> [Element] {
        var list = list
        var parts = 2
        while list.count > 1 {
            let size = (list.count + parts - 1) / parts
            var wasShortened = false
            for start in stride(from: 0, to: list.count, by: size) {
                let rest = Array(list[..<start] + list[min(start + size, list.count)...])
                guard fails(rest) else { continue }
                list = rest
                parts = max(parts - 1, 2)
                wasShortened = true
                break
            }
            if wasShortened { continue }
            if size == 1 { break }
            parts = min(parts * 2, list.count)
        }
        return list
    }

    // MARK: Everything that can happen, one after the other

    /// What an exploration came to.
    struct Figures: CustomStringConvertible {
        var states = 0
        var transitions = 0
        var runs = 0
        var events = 0
        var failures: [Failure] = []

        var description: String { "\(states) states, \(transitions) transitions, \(runs) runs, \(events) events" }
    }

    /// Tries each event in each state that can be reached with fewer than `depth` events.
    ///
    /// A state is what its digest says. What follows two sequences that lead to the same state is tried behind the shorter
    /// one alone; so all sequences of `depth` events are covered, but for those that differ in what the digest leaves out.
    static func exploreAll(
        _ setting: ExplorerSetting, depth: Int, _ grain: StateDigest.Grain, maximumRuns: Int = .max
    ) -> Figures {
        var figures = Figures()
        let events = setting.events
        /// The events that have not been tried in a state, and the shortest way there.
        var states: [StateDigest: (untried: ArraySlice<ExplorerStep>, path: [ExplorerStep])] = [:]
        /// States by the length of their ways, which may have become shorter since.
        var queues: [[StateDigest]] = Array(repeating: [], count: depth)

        func visit(_ digest: StateDigest, _ path: [ExplorerStep]) {
            if let known = states[digest] {
                guard path.count < known.path.count else { return }
                states[digest]?.path = path
            } else {
                states[digest] = (events[...], path)
            }
            if path.count < depth { queues[path.count].append(digest) }
        }

        /// Walks on from the end of a path for as long as there is something new.
        func walk(_ path: [ExplorerStep]) {
            figures.runs += 1
            let world = ExplorerWorld(setting)
            var path = path
            for step in path { world.perform(step) }
            figures.events += path.count
            var digest = StateDigest(world, grain)
            visit(digest, path)
            while world.problems.isEmpty, path.count < depth, let step = states[digest]?.untried.popFirst() {
                path.append(step)
                figures.transitions += 1
                figures.events += 1
                world.perform(step)
                digest = StateDigest(world, grain)
                visit(digest, path)
            }
            if world.problems.isEmpty { world.finish() }
            guard !world.problems.isEmpty, figures.failures.count < 20 else { return }
            figures.failures.append(Failure(setting: setting, steps: path, problems: world.problems))
        }

        walk([])
        var length = 0
        while length < depth, figures.runs < maximumRuns {
            guard let digest = queues[length].last else {
                length += 1
                continue
            }
            guard let state = states[digest], state.path.count == length, !state.untried.isEmpty else {
                queues[length].removeLast()
                continue
            }
            walk(state.path)
            // A way that was found to be shorter goes first.
            length = queues.firstIndex { !$0.isEmpty } ?? depth
        }
        figures.states = states.count
        return figures
    }

    // MARK: Anything

    /// A sequence that a seed decides.
    static func randomSteps(_ setting: ExplorerSetting, count: Int) -> [ExplorerStep] {
        var random = SplitMix64(seed: setting.seed &* 0x9E37_79B9)
        let events = setting.events
        // Most seeds have no fault for a while, so that something else can go wrong.
        let calm = Int.random(in: 0...count, using: &random)
        return (0..<count).map { index in
            var step = events.randomElement(using: &random) ?? events[0]
            for _ in 0..<8 where index < calm && isViolent(step.event) {
                step = events.randomElement(using: &random) ?? step
            }
            step.pace =
                switch Int.random(in: 0..<8, using: &random) {
                case 0...3: .settle
                case 4...5: .rounds(.random(in: 0...3, using: &random))
                default: .milliseconds(.random(in: 0...40, using: &random))
                }
            return step
        }
    }

    private static func isViolent(_ event: ExplorerEvent) -> Bool {
        switch event {
        case .close, .closeInside, .handlerReturns, .handlerThrows, .peerClose, .peerEnds, .peerCrowd: true
        case .timePasses: false
        default: event.isFault
        }
    }
}
