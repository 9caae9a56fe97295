import Dispatch
import Synchronization

/// Handles SIGINT (Ctrl-C) and SIGTERM.
///
/// The first signal calls a function, which shuts down gracefully within a time limit: an output that nobody reads,
/// or a file that cannot be written, must not keep the process alive. A second signal ends the process at once. After
/// this value is deinitialized, the first signal ends the process.
final class Interruption {
    private let sources: [any DispatchSourceSignal]

    /// The first signal, or SIGINT before there was one.
    private static let signalNumber = Atomic(System.interruptSignal)

    /// The exit status after the first signal. By the convention of shells it is 128 plus the signal's number: 130 after
    /// SIGINT, 143 after SIGTERM.
    static var status: Int32 { 128 + signalNumber.load(ordering: .relaxed) }

    /// - Parameters:
    ///   - limit: How long the process may continue after the first signal.
    ///   - first: Called at the first signal, on a thread that it may block.
    init(limit: Duration = .seconds(15), _ first: @escaping @Sendable () -> Void) {
        let queue = DispatchQueue(label: "lifeline.signals")
        let count = Counter()
        let registered = DispatchSemaphore(value: 0)
        let limit = max(.zero, min(limit, .seconds(1_000_000_000)))
        let seconds = limit / .seconds(1)
        sources = [System.interruptSignal, System.terminateSignal].map { number in
            System.ignore(number)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler {
                guard count.increment() == 1 else { System.exitNow(128 + number) }
                Interruption.signalNumber.store(number, ordering: .relaxed)
                // The limit outlives this value, so that the rest of the shutdown is limited too.
                queue.asyncAfter(deadline: .now() + seconds) { System.exitNow(128 + number) }
                DispatchQueue.global().async(execute: first)
            }
            // Dispatch registers a source later, on a thread of its own, and a signal before that would be lost.
            source.setRegistrationHandler { registered.signal() }
            source.resume()
            return source
        }
        for _ in sources { _ = registered.wait(timeout: .now() + 1) }
    }

    deinit {
        for source in sources { source.cancel() }
        for number in [System.interruptSignal, System.terminateSignal] { System.handleByDefault(number) }
    }

    private final class Counter: Sendable {
        private let value = Atomic(0)

        func increment() -> Int { value.wrappingAdd(1, ordering: .relaxed).newValue }
    }
}
