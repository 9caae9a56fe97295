import Dispatch
import LifelineLocks
import LifelineTrace
import Synchronization

/// The output cannot be written any more: its reader has closed it, or writing failed (``Terminal/failure``).
struct OutputClosed: Error {}

/// Standard output or standard error. All output of the command goes through here.
///
/// It knows whether colours and characters outside ASCII may be written. It has no buffer: it writes at once, and
/// blocks its caller if the reader is slow. If writing fails for another reason than a closed reader, it keeps the
/// first error, which the command reports at its end.
final class Terminal: Sendable {
    private let descriptor: Int32
    /// Whether it is a terminal.
    let isTerminal: Bool
    /// Whether the cursor can be moved.
    let movesCursor: Bool
    /// Whether to write colours.
    let usesColor: Bool
    /// Whether to write characters outside ASCII.
    let usesUnicode: Bool
    private let isAbandoned = Atomic(false)

    /// The first error of each descriptor.
    private static let failures = Lock<[Int32: String]>([:])

    /// The first error of standard output, or else of standard error, or `nil` if everything was written.
    static var failure: (name: String, reason: String)? {
        failures.withLock { failures in
            failures[1].map { ("standard output", $0) } ?? failures[2].map { ("standard error", $0) }
        }
    }

    /// Why output was lost, or `nil` if none was. A closed reader is no failure.
    var failure: String? { Terminal.failures.withLock { $0[descriptor] } }
    /// An upper limit to what the environment claims.
    private static let maximumColumns = 10_000

    /// The bytes that a writable pipe takes at once without blocking (`PIPE_BUF` on Linux; on Darwin it is smaller, and
    /// such a write may block for a moment).
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

    /// The number of columns, or 80 if it is unknown.
    var columns: Int {
        let columns = System.windowSize(descriptor)?.columns ?? System.environment("COLUMNS").flatMap { Int($0) } ?? 80
        return min(max(columns, 1), Terminal.maximumColumns)
    }

    /// The number of rows, or 24 if it is unknown.
    var rows: Int { System.windowSize(descriptor)?.rows ?? 24 }

    // MARK: Writing

    /// Returns the text in the given colours, if colours are enabled.
    func paint(_ text: String, _ inks: Ink...) -> String {
        guard usesColor, !text.isEmpty else { return text }
        return Ink.paint(text, inks)
    }

    /// Text from outside, with its control characters escaped.
    func visible(_ text: String) -> String {
        text.visible(unicode: usesUnicode)
    }

    /// Writes a line. Does nothing if the output cannot be written any more.
    func print(_ line: String = "") {
        try? write(line + "\n")
    }

    /// Writes text unchanged.
    func write(_ text: String) throws(OutputClosed) {
        var text = text
        let result = text.withUTF8 { bytes in
            Result { () throws(OutputClosed) in try write(UnsafeRawBufferPointer(bytes)) }
        }
        try result.get()
    }

    /// Writes bytes unchanged.
    func write(_ bytes: UnsafeRawBufferPointer) throws(OutputClosed) {
        var rest = bytes[...]
        while !rest.isEmpty {
            // Checked before each piece, so that a reader that never reads cannot block the end of the process.
            guard !isAbandoned.load(ordering: .relaxed) else { throw OutputClosed() }
            guard System.waitUntilWritable(descriptor, milliseconds: 100) else { continue }
            let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(Terminal.pieceSize))
            switch System.write(descriptor, piece) {
            case .bytes(let count): rest = rest.dropFirst(count)
            case .again: continue
            case .failed(let error):
                // A closed terminal gives EIO.
                if !error.readerHasGone, !isTerminal {
                    Terminal.failures.withLock { failures in
                        if failures[descriptor] == nil { failures[descriptor] = error.reason }
                    }
                }
                throw OutputClosed()
            }
        }
    }

    /// Writes a short text if that does not block.
    ///
    /// - Returns: Whether the text was written: all of it, or nothing.
    func writeAtOnce(_ text: String) throws(OutputClosed) -> Bool {
        // A writable pipe takes this much at once.
        guard text.utf8.count <= Terminal.pieceSize,
            System.waitUntilWritable(descriptor, milliseconds: 0)
        else { return false }
        try write(text)
        return true
    }

    /// Calls a function once the reader has closed the output, without waiting for a write to fail.
    func whenClosed(_ body: @escaping @Sendable () -> Void) {
        let descriptor = descriptor
        DispatchQueue(label: "lifeline.reader").async {
            while !System.waitUntilBroken(descriptor, milliseconds: 60_000) {}
            body()
        }
    }

    /// Drops what has not been written, and makes all further writes fail.
    func abandon() {
        isAbandoned.store(true, ordering: .relaxed)
    }
}
