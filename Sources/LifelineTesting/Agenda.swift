import LifelineLocks

/// The work of a simulation that can be done at this moment.
///
/// `@unchecked Sendable`: `isElsewhere` is touched on the simulation's thread alone, the rest is behind a lock.
final class Agenda: @unchecked Sendable {
    typealias Work = @Sendable () -> Void

    private struct State {
        var ready: [Work] = []
        /// Done when nothing is ready.
        var whenIdle: [Work] = []
        /// Whether somebody does the work, or has been asked to.
        var isScheduled = false
    }

    private let state = Lock(State())
    /// Has the work done; `nil` if the simulation's owner does it.
    private let schedule: (@Sendable (Agenda) -> Void)?
    /// Whether what runs at the moment counts as a task on some other thread.
    private(set) var isElsewhere = false

    init(schedule: (@Sendable (Agenda) -> Void)? = nil) {
        self.schedule = schedule
    }

    /// Adds work, from any thread.
    func add(_ work: @escaping Work) {
        add { $0.ready.append(work) }
    }

    /// Adds work that is done when nothing else is ready, from any thread.
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

    /// Does what is ready, and leaves what that makes ready.
    ///
    /// - Returns: How many things were done.
    func runOnce() -> Int {
        let batch = state.withLock { state in
            defer { state.ready = [] }
            return state.ready
        }
        for work in batch { work() }
        return batch.count
    }

    /// Takes the next work for when nothing is ready.
    func takeWhenIdle() -> Work? {
        state.withLock { $0.ready.isEmpty && !$0.whenIdle.isEmpty ? $0.whenIdle.removeFirst() : nil }
    }

    /// Ends a run that ``schedule`` began, unless there is more to do.
    ///
    /// - Returns: Whether it has ended.
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

    /// Runs something as if on another thread: the loop is not the caller's then.
    func elsewhere(_ work: () -> Void) {
        isElsewhere = true
        work()
        isElsewhere = false
    }
}
