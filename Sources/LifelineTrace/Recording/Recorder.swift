public import Lifeline
import LifelineLocks

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The options of a recording.
public struct RecordingOptions: Sendable {
    /// How much of payloads is recorded.
    @nonexhaustive(warn)
    public enum Payloads: Hashable, Sendable {
        /// Only their sizes.
        case none
        /// At most this many bytes of each payload.
        case preview(Int)
        /// Whole payloads.
        case whole
    }

    /// How much of payloads is recorded. Default: only their sizes.
    public var payloads = Payloads.none
    /// Which values are redacted. Default: ``Redaction/init()``.
    public var redaction = Redaction()
    /// The most bytes of a file. When it is full, the next file begins, and the oldest is deleted. Default: 64 MiB.
    public var maximumFileSize = 64 << 20
    /// The most files: the current one, and earlier ones, whose names end with `.1` for the latest. Default: 4.
    public var maximumFiles = 4
    /// The most events that wait to be written. Further events are omitted, and a note says how many. Default: 100 000.
    public var maximumWaiting = 100_000

    /// Creates the defaults.
    public init() {}

    var payloadLimit: Int {
        switch payloads {
        case .none: 0
        case .preview(let limit): max(0, limit)
        case .whole: .max
        }
    }
}

/// An observer that records events in a file, as JSON Lines.
///
/// Add it to the `observers` of a server or a client, and call ``finish()`` at the end. Event loops only add events to a bounded queue;
/// a task writes them.
public final class Recorder: LifecycleObserver {
    private let queue: RecordingQueue
    private let writer: Task<Void, Never>

    /// The path of the file.
    public var path: String { queue.file.path }

    /// Begins a recording. An existing file is replaced.
    ///
    /// - Throws: ``RecordingError`` if the file cannot be written.
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

    /// Records an event of a connection of another program.
    ///
    /// - Parameters:
    ///   - event: The event. Its time is ignored.
    ///   - instant: When the event happened.
    public func record(_ event: TraceEvent, at instant: MonotonicInstant) {
        queue.add(.made(event), instant)
    }

    /// Writes the waiting events, and closes the file. Later events are not recorded.
    ///
    /// - Throws: ``RecordingError`` if an event could not be written.
    public func finish() async throws(RecordingError) {
        queue.end()
        await writer.value
        if let failure = queue.failure { throw RecordingError(path: path, reason: failure) }
    }
}

/// The queue of events that wait to be written, and the file.
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
        /// Why the file could not be written. Nothing is written after that.
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

    /// Writes events until the end.
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
        if omitted > 0 { redactor.forgetMessages() }
        if omitted > 0, var note = last {
            note.kind = .note("\(omitted.counted("event")) omitted: they arrived faster than they could be written")
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

/// An error that is thrown if a recording cannot be written or read.
public struct RecordingError: Error, Hashable, CustomStringConvertible {
    /// The path of the file.
    public let path: String
    /// What is wrong.
    public let reason: String

    public var description: String { "\(path): \(reason)" }
}
