import Dispatch
import Synchronization

/// The user's wish to stop: Ctrl-C, or SIGTERM.
///
/// The first calls a function, which ends things in good order. Who is not content with that sends a second, and the
/// process is gone.
final class Interruption {
    private let sources: [any DispatchSourceSignal]

    /// The exit status after Ctrl-C by the shells' custom: 128 and the signal's number.
    static let status = 128 + System.interruptSignal

    /// - Parameter first: Is called on a thread of its own.
    init(_ first: @escaping @Sendable () -> Void) {
        let queue = DispatchQueue(label: "lifeline.signals")
        let count = Counter()
        sources = [System.interruptSignal, System.terminateSignal].map { number in
            System.ignore(number)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler {
                if count.increment() == 1 { first() } else { System.exitNow(128 + number) }
            }
            source.resume()
            return source
        }
    }

    deinit {
        for source in sources { source.cancel() }
    }

    private final class Counter: Sendable {
        private let value = Atomic(0)

        func increment() -> Int { value.wrappingAdd(1, ordering: .relaxed).newValue }
    }
}
