/// Runs tasks that are not at home on the loop, on the simulation's thread and in the same order each time.
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
