import LifelineLocks

/// The work of a simulation that is ready to run at the current instant.
///
/// `@unchecked Sendable`: `isElsewhere` is accessed on the simulation's thread only; a lock protects the rest.
final class Agenda: @unchecked Sendable {
    typealias Work = @Sendable () -> Void

    private struct State {
        var ready: [Work] = []
        /// Work that runs when nothing else is ready.
        var whenIdle: [Work] = []
        /// Whether a run is in progress or scheduled.
        var isScheduled = false
    }

    private let state = Lock(State())
    /// Schedules a run; `nil` if the simulation's owner runs the work.
    private let schedule: (@Sendable (Agenda) -> Void)?
    /// Whether the current work counts as running on another thread.
    private(set) var isElsewhere = false

    init(schedule: (@Sendable (Agenda) -> Void)? = nil) {
        self.schedule = schedule
    }

    /// Adds work; from any thread.
    func add(_ work: @escaping Work) {
        add { $0.ready.append(work) }
    }

    /// Adds work that runs when nothing else is ready; from any thread.
    func addWhenIdle(_ work: @escaping Work) {
        add { $0.whenIdle.append(work) }
    }

    private func add(_ change: (inout State) -> Void) {
        let mustSchedule = state.withLock { state in
            change(&state)
            guard schedule != nil, !state.isScheduled else { return false }
            state.isScheduled = true
            return true
        }
        if mustSchedule { schedule?(self) }
    }

    /// Runs the work that is ready, but not the work that this adds.
    ///
    /// - Returns: The number of jobs that ran.
    func runOnce() -> Int {
        let batch = state.withLock { state in
            defer { state.ready = [] }
            return state.ready
        }
        for work in batch { work() }
        return batch.count
    }

    /// Takes the next work for an idle moment; `nil` if there is none, or if other work is ready.
    func takeWhenIdle() -> Work? {
        state.withLock { $0.ready.isEmpty && !$0.whenIdle.isEmpty ? $0.whenIdle.removeFirst() : nil }
    }

    /// Ends a run that ``schedule`` started, unless there is more work.
    ///
    /// - Returns: Whether the run has ended.
    func endRun(_ ending: () -> Void) -> Bool {
        state.withLock { state in
            guard state.ready.isEmpty, state.whenIdle.isEmpty else { return false }
            ending()
            state.isScheduled = false
            return true
        }
    }

    func removeAll() {
        state.withLock { $0.ready = [] }
    }

    /// Runs work as if on another thread, so that it does not count as being on the loop.
    func elsewhere(_ work: () -> Void) {
        isElsewhere = true
        work()
        isElsewhere = false
    }
}
