import Dispatch
import Synchronization

/// The user's wish to stop: Ctrl-C, or SIGTERM.
///
/// The first calls a function, which ends things in good order, and has a while for it: what is written and not read, or a file
/// that does not take what is recorded, must not keep the process alive. Who is not content with that sends a second, and the
/// process is gone. Once this is no more, the first ends it.
final class Interruption {
    private let sources: [any DispatchSourceSignal]

    /// The exit status after Ctrl-C by the shells' custom: 128 and the signal's number.
    static let status = 128 + System.interruptSignal

    /// - Parameters:
    ///   - limit: How long things may take to end after the first.
    ///   - first: Is called on a thread of its own, which it may block.
    init(limit: Duration = .seconds(15), _ first: @escaping @Sendable () -> Void) {
        let queue = DispatchQueue(label: "lifeline.signals")
        let count = Counter()
        let limit = max(.zero, min(limit, .seconds(1_000_000_000)))
        let seconds = limit / .seconds(1)
        sources = [System.interruptSignal, System.terminateSignal].map { number in
            System.ignore(number)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler {
                guard count.increment() == 1 else { System.exitNow(128 + number) }
                // It outlives this value: what comes after it must end too.
                queue.asyncAfter(deadline: .now() + seconds) { System.exitNow(128 + number) }
                DispatchQueue.global().async(execute: first)
            }
            source.resume()
            return source
        }
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
