import Lifeline

/// A line of standard input.
enum InputLine: Equatable, Sendable {
    /// The line's number, from 1, and its bytes without the line feed.
    case line(Int, [UInt8])
    /// A line that is longer than the limit, and was skipped.
    case tooLong(Int)
    /// Reading failed, with the reason.
    case failed(String)
}

/// Standard input, line by line.
///
/// It reads only when a caller asks for lines, so that a slow connection slows the writer down, and nothing
/// accumulates. Reading blocks, so it has a thread of its own.
actor LineSource {
    private let executor = BlockingExecutor(label: "lifeline.input")
    private let descriptor: Int32
    private let limit: Int
    /// The beginning of a line whose end has not been read yet.
    private var partial: [UInt8] = []
    private var partialIsTooLong = false
    private var number = 0
    private var hasEnded = false

    private static let chunkSize = 64 << 10

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// - Parameter limit: The most bytes of a line.
    init(descriptor: Int32 = 0, limit: Int) {
        self.descriptor = descriptor
        self.limit = limit
    }

    /// Returns the next lines, or none at the end of the input. The last line needs no line feed.
    func next() -> [InputLine] {
        while !hasEnded {
            switch readChunk() {
            case .success(let chunk):
                let lines = split(chunk)
                if !lines.isEmpty { return lines }
            case .failure(let error):
                return split([]) + [.failed(error.reason)]
            }
        }
        return []
    }

    /// Reads what is available, or waits for something. Returns an empty chunk at the end of the input.
    private func readChunk() -> Result<[UInt8], System.FileError> {
        while true {
            var transfer = System.Transfer.again
            let chunk = [UInt8](unsafeUninitializedCapacity: LineSource.chunkSize) { memory, count in
                transfer = System.read(descriptor, into: UnsafeMutableRawBufferPointer(memory))
                if case .bytes(let number) = transfer { count = number }
            }
            switch transfer {
            case .again: continue
            case .bytes: return .success(chunk)
            case .failed(let error): return .failure(error)
            }
        }
    }

    /// Returns the lines that end in a chunk, and keeps what follows the last of them.
    private func split(_ chunk: [UInt8]) -> [InputLine] {
        var lines: [InputLine] = []
        var rest = chunk[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            keep(rest[..<end])
            lines.append(endLine())
            rest = rest[(end + 1)...]
        }
        keep(rest)
        if chunk.isEmpty {
            hasEnded = true
            if !partial.isEmpty || partialIsTooLong { lines.append(endLine()) }
        }
        return lines
    }

    private func keep(_ bytes: ArraySlice<UInt8>) {
        if partial.count + bytes.count > limit { partialIsTooLong = true }
        if partialIsTooLong { partial = [] } else { partial += bytes }
    }

    private func endLine() -> InputLine {
        defer {
            partial = []
            partialIsTooLong = false
        }
        number += 1
        return partialIsTooLong ? .tooLong(number) : .line(number, partial)
    }
}
