/// Runs tasks as if off the loop, but on the simulation's thread and in a reproducible order.
package final class ElsewhereExecutor: TaskExecutor {
    private let agenda: Agenda

    init(_ agenda: Agenda) {
        self.agenda = agenda
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        agenda.add { [self] in
            agenda.elsewhere { job.runSynchronously(on: asUnownedTaskExecutor()) }
        }
    }
}
