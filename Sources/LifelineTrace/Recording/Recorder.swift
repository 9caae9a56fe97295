public import Lifeline
import LifelineLocks

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// How a recording is made.
public struct RecordingOptions: Sendable {
    /// What is recorded of payloads.
    public enum Payloads: Hashable, Sendable {
        /// Nothing but sizes.
        case none
        /// At most so many bytes of each.
        case preview(Int)
        /// All of them.
        case whole
    }

    /// What is recorded of payloads. Default: nothing but sizes.
    public var payloads = Payloads.none
    /// What is not shown.
    public var redaction = Redaction()
    /// The most bytes of a file; then the next one is begun, and the oldest is deleted. Default: 64 MiB.
    public var maximumFileSize = 64 << 20
    /// The most files: the one that is written, and those before, whose names end with `.1` for the youngest. Default: 4.
    public var maximumFiles = 4
    /// The most events that wait to be written; what is more is left out, and a note says how many. Default: 100 000.
    public var maximumWaiting = 100_000

    /// The defaults.
    public init() {}

    var payloadLimit: Int {
        switch payloads {
        case .none: 0
        case .preview(let limit): max(0, limit)
        case .whole: .max
        }
    }
}

/// Writes what it observes to a file, as JSON Lines.
///
/// Give it to a server's or a client's `observers`, and ``finish()`` it at the end. On the event loops events are only put into
/// a queue, which is bounded; a task writes them.
public final class Recorder: LifecycleObserver {
    private let queue: RecordingQueue
    private let writer: Task<Void, Never>

    /// Where it writes.
    public var path: String { queue.file.path }

    /// Begins a recording; a file that is there is replaced.
    ///
    /// - Throws: ``RecordingError`` where the file cannot be written.
    public init(path: String, options: RecordingOptions = RecordingOptions()) throws(RecordingError) {
        let header = Recording.header(began: HAR.text(Date.now)) + "\n"
        let queue = RecordingQueue(options, try RecordingFile(path, options, header: header))
        self.queue = queue
        writer = Task.detached { await queue.write() }
    }

    deinit {
        queue.end()
    }

    public var payloadLimit: Int { queue.options.payloadLimit }

    public func observe(_ event: LifecycleEvent) {
        queue.add(.observed(event), event.instant)
    }

    /// Records an event that this library's connections have not told of.
    ///
    /// - Parameters:
    ///   - event: The event; its time is not looked at.
    ///   - instant: When it happened.
    public func record(_ event: TraceEvent, at instant: MonotonicInstant) {
        queue.add(.made(event), instant)
    }

    /// Writes what waits, and closes the file. What is observed afterwards is not recorded.
    ///
    /// - Throws: ``RecordingError`` where not all could be written.
    public func finish() async throws(RecordingError) {
        queue.end()
        await writer.value
        if let failure = queue.failure { throw RecordingError(path: path, reason: failure) }
    }
}

/// The events that wait to be written, and the file.
private final class RecordingQueue: Sendable {
    enum Entry {
        case observed(LifecycleEvent)
        case made(TraceEvent)
    }

    private struct State {
        var waiting: [(entry: Entry, instant: MonotonicInstant)] = []
        var omitted = 0
        var beginning: MonotonicInstant?
        var isEnded = false
        /// What is wrong with the file; nothing is written any more then.
        var failure: String?
    }

    let options: RecordingOptions
    let file: RecordingFile
    private let state = Lock(State())
    private let arrivals: AsyncStream<Void>
    private let arrival: AsyncStream<Void>.Continuation

    init(_ options: RecordingOptions, _ file: consuming RecordingFile) {
        self.options = options
        self.file = file
        (arrivals, arrival) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    var failure: String? { state.withLock { $0.failure } }

    func add(_ entry: Entry, _ instant: MonotonicInstant) {
        let isFirst = state.withLock { state in
            state.beginning = state.beginning ?? instant
            guard !state.isEnded, state.failure == nil else { return false }
            guard state.waiting.count < options.maximumWaiting else {
                state.omitted += 1
                return false
            }
            state.waiting.append((entry, instant))
            return state.waiting.count == 1
        }
        if isFirst { arrival.yield() }
    }

    func end() {
        state.withLock { $0.isEnded = true }
        arrival.finish()
    }

    /// Writes what comes, until the end.
    func write() async {
        var redactor = EventRedactor(options.redaction)
        for await _ in arrivals { writeWaiting(&redactor) }
        writeWaiting(&redactor)
        file.close()
    }

    private func writeWaiting(_ redactor: inout EventRedactor) {
        let (events, omitted, beginning) = state.withLock { state in
            defer {
                state.waiting = []
                state.omitted = 0
            }
            return (state.waiting, state.omitted, state.beginning ?? MonotonicInstant(nanoseconds: 0))
        }
        var last: TraceEvent?
        for (entry, instant) in events {
            let traced = redactor(traced(entry, instant, since: beginning))
            last = traced
            guard write(traced) else { return }
        }
        if omitted > 0 { redactor.forget() }
        if omitted > 0, var note = last {
            note.kind = .note("\(omitted.counted("event")) left out: they came faster than they could be written")
            _ = write(note)
        }
    }

    private func traced(_ entry: Entry, _ instant: MonotonicInstant, since beginning: MonotonicInstant) -> TraceEvent {
        let limit = options.payloads == .none ? nil : options.payloadLimit
        switch entry {
        case .observed(let event):
            return TraceEvent(event, since: beginning, keepsPayloads: limit != nil).keepingPayloads(upTo: limit)
        case .made(let event):
            var event = event.keepingPayloads(upTo: limit)
            event.time = instant.nanoseconds(since: beginning)
            return event
        }
    }

    private func write(_ event: TraceEvent) -> Bool {
        guard let failure = file.write(Recording.line(event) + "\n") else { return true }
        state.withLock { state in
            state.failure = failure
            state.waiting = []
        }
        return false
    }
}

/// A recording that cannot be written, or read.
public struct RecordingError: Error, Hashable, CustomStringConvertible {
    /// The file.
    public let path: String
    /// What is wrong with it.
    public let reason: String

    public var description: String { "\(path): \(reason)" }
}
