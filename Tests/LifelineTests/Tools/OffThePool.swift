import NIOCore
import NIOPosix
import Testing

/// Runs asynchronous tests on a thread of their own.
///
/// The simulations are synchronous and keep the threads of the shared pool busy for seconds; a test that talks to real
/// sockets, with real deadlines, must not wait behind them. Nor must it share its thread with a hundred others, which on a busy
/// machine would all be too late: only a few run at once, and the others begin when one has ended.
struct OffThePool: SuiteTrait, TestTrait, TestScoping {
    let isRecursive = true

    /// The thread, for tasks that do not inherit it.
    static let executor = Thread(testsAtOnce: 4)
    /// Another, for tests that move megabytes: what they compare takes its time without optimisation, and those on the first
    /// would come too late for their deadlines.
    fileprivate static let executorForMuch = Thread(testsAtOnce: 1)
    /// And one for tests that block it.
    fileprivate static let executorToBlock = Thread(testsAtOnce: 1)
    /// The thread of simulated networks whose peers block the thread of their test.
    static let executorForNetworks = Thread(testsAtOnce: 1)

    fileprivate var executor = OffThePool.executor

    final class Thread: TaskExecutor {
        private let eventLoop = MultiThreadedEventLoopGroup(numberOfThreads: 1).next()
        /// How many tests may still begin.
        fileprivate let tests: AsyncSemaphore

        init(testsAtOnce: Int) {
            tests = AsyncSemaphore(testsAtOnce)
        }

        func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            eventLoop.execute { [self] in job.runSynchronously(on: asUnownedTaskExecutor()) }
        }
    }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        // Suites and parameterized tests are scopes too; their cases are what runs.
        guard testCase != nil else { return try await function() }
        await executor.tests.wait()
        defer { executor.tests.signal() }
        try await withTaskExecutorPreference(executor) { try await function() }
    }
}

extension Trait where Self == OffThePool {
    /// Runs the tests on a thread of their own.
    static var offThePool: Self { Self() }

    /// Runs tests that wait without suspending on a thread that is theirs.
    static var onAThreadToBlock: Self { Self(executor: OffThePool.executorToBlock) }

    /// Runs tests that move much on another thread.
    static var offThePoolForMuch: Self { Self(executor: OffThePool.executorForMuch) }
}
