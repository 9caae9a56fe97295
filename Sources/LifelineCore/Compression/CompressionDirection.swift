/// The stream of one direction of a connection, or, while the connection is idle, its window alone.
struct CompressionDirection<Stream: ReusableStream> {
    /// The kind of stream that was agreed.
    let kind: Stream.Kind
    /// Whether the window is kept from message to message (context takeover, RFC 7692 §7.1.1).
    let keepsWindow: Bool
    private let memory: MemoryPool
    private let budget: CompressionBudget

    /// The stream that is in use or keeps a window.
    private(set) var stream: Stream?
    /// The window of an idle connection.
    private var window: [UInt8] = []

    /// Creates a direction without a stream.
    init(_ kind: Stream.Kind, keepsWindow: Bool, memory: MemoryPool, budget: CompressionBudget) {
        self.kind = kind
        self.keepsWindow = keepsWindow
        self.memory = memory
        self.budget = budget
    }

    /// The bytes of memory that the direction holds.
    var size: Int { (stream?.size ?? 0) + window.count }

    /// Returns the stream, with the window of the messages before if that is kept; `nil` if there is no memory for a stream.
    mutating func use() -> Stream? {
        if let stream { return stream }
        guard let taken: Stream = memory.take(kind, budget) else { return nil }
        if !window.isEmpty {
            taken.restore(window)
            dropWindow()
        }
        stream = taken
        return taken
    }

    /// Notes the end of a message: returns the stream to the pool unless it keeps its window.
    mutating func endMessage() {
        if !keepsWindow { dropStream() }
    }

    /// Replaces the stream by a copy of its window, because the connection is idle.
    mutating func park() {
        guard let stream else { return }
        window = stream.window
        budget.take(window.count)
        dropStream()
    }

    /// Returns the stream to the pool. Its window is lost.
    mutating func dropStream() {
        if let stream = stream.take() { memory.give(stream, kind, budget) }
    }

    /// Frees the window of an idle connection.
    mutating func dropWindow() {
        budget.give(window.count)
        window = []
    }
}
