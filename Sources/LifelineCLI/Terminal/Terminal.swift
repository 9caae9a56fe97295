import Dispatch
import LifelineLocks
import LifelineTrace
import Synchronization

/// Nothing more can be written: nobody reads it any more, or the system refuses it (``Terminal/failure``).
struct OutputClosed: Error {}

/// Standard output or standard error: everything that the command prints goes through here.
///
/// It knows what may be written there: colours, boxes, or bytes for another program. It writes at once, without a buffer of
/// its own, and blocks its caller where the reader is slow. What it could not write, for another reason than that the reader has
/// gone, it remembers: the command says so at its end, whichever of its parts has written.
final class Terminal: Sendable {
    private let descriptor: Int32
    /// Whether a person looks at it.
    let isTerminal: Bool
    /// Whether the cursor can be moved.
    let movesCursor: Bool
    /// Whether colours are written.
    let usesColor: Bool
    /// Whether anything but ASCII can be shown.
    let usesUnicode: Bool
    private let isAbandoned = Atomic(false)

    /// Why something could not be written, by the descriptor; the first of each.
    private static let failures = Lock<[Int32: String]>([:])

    /// Why something that was written to standard output, or else to standard error, is lost; `nil` where nothing is.
    static var failure: (name: String, reason: String)? {
        failures.withLock { failures in
            failures[1].map { ("standard output", $0) } ?? failures[2].map { ("standard error", $0) }
        }
    }

    /// Why what was written here is lost; `nil` where nothing is, also where the reader has gone.
    var failure: String? { Terminal.failures.withLock { $0[descriptor] } }
    /// More columns than any terminal has.
    private static let maximumColumns = 10_000

    /// What a pipe takes in one piece without blocking, once it takes anything (POSIX's `PIPE_BUF` on Linux; Darwin's is
    /// smaller, and blocks for a moment at most).
    private static let pieceSize = 4096

    /// Standard output.
    static func output(_ options: OutputOptions) -> Terminal { Terminal(1, options) }

    /// Standard error.
    static func errors(_ options: OutputOptions) -> Terminal { Terminal(2, options) }

    private init(_ descriptor: Int32, _ options: OutputOptions) {
        self.descriptor = descriptor
        isTerminal = System.isTerminal(descriptor)
        movesCursor = isTerminal && System.environment("TERM").map { $0 != "dumb" } ?? false
        usesColor =
            switch options.color {
            case .always: true
            case .never: false
            // See https://no-color.org.
            case .auto: movesCursor && System.environment("NO_COLOR") == nil
            }
        usesUnicode = !options.ascii && Terminal.localeIsUTF8
    }

    private static var localeIsUTF8: Bool {
        let name = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap(System.environment).first ?? ""
        let codeset = name.lowercased()
        return codeset.contains("utf-8") || codeset.contains("utf8")
    }

    /// The number of columns; 80 where nobody knows.
    var columns: Int {
        let columns = System.windowSize(descriptor)?.columns ?? System.environment("COLUMNS").flatMap { Int($0) } ?? 80
        return min(max(columns, 1), Terminal.maximumColumns)
    }

    /// The number of rows; 24 where nobody knows.
    var rows: Int { System.windowSize(descriptor)?.rows ?? 24 }

    // MARK: Writing

    /// The text in a colour, where there are colours.
    func paint(_ text: String, _ inks: Ink...) -> String {
        guard usesColor, !text.isEmpty else { return text }
        return Ink.paint(text, inks)
    }

    /// Text of a stranger's, safe to show here.
    func visible(_ text: String) -> String {
        text.visible(unicode: usesUnicode)
    }

    /// Writes a line, if anybody is there to read it.
    func print(_ line: String = "") {
        try? write(line + "\n")
    }

    /// Writes text as it is.
    func write(_ text: String) throws(OutputClosed) {
        var text = text
        let result = text.withUTF8 { bytes in
            Result { () throws(OutputClosed) in try write(UnsafeRawBufferPointer(bytes)) }
        }
        try result.get()
    }

    /// Writes bytes as they are.
    func write(_ bytes: UnsafeRawBufferPointer) throws(OutputClosed) {
        var rest = bytes[...]
        while !rest.isEmpty {
            // Asked for before each piece, so that a reader who never reads does not hold up the end.
            guard !isAbandoned.load(ordering: .relaxed) else { throw OutputClosed() }
            guard System.waitUntilWritable(descriptor, milliseconds: 100) else { continue }
            let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(Terminal.pieceSize))
            switch System.write(descriptor, piece) {
            case .bytes(let count): rest = rest.dropFirst(count)
            case .again: continue
            case .failed(let error):
                // A terminal that has gone answers EIO.
                if !error.readerHasGone, !isTerminal {
                    Terminal.failures.withLock { failures in
                        if failures[descriptor] == nil { failures[descriptor] = error.reason }
                    }
                }
                throw OutputClosed()
            }
        }
    }

    /// Writes a little text where that does not block.
    ///
    /// - Returns: Whether it was written; nothing was otherwise.
    func writeAtOnce(_ text: String) throws(OutputClosed) -> Bool {
        // A pipe that takes anything takes this much at once.
        guard text.utf8.count <= Terminal.pieceSize,
            System.waitUntilWritable(descriptor, milliseconds: 0)
        else { return false }
        try write(text)
        return true
    }

    /// Calls a function once nobody reads any more, without waiting for a write to fail.
    func whenClosed(_ body: @escaping @Sendable () -> Void) {
        let descriptor = descriptor
        DispatchQueue(label: "lifeline.reader").async {
            while !System.waitUntilBroken(descriptor, milliseconds: 60_000) {}
            body()
        }
    }

    /// Gives up what has not been written, and fails all writes from now on.
    func abandon() {
        isAbandoned.store(true, ordering: .relaxed)
    }
}
