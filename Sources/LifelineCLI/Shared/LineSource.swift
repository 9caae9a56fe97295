import Lifeline

/// A line of standard input.
enum InputLine: Equatable, Sendable {
    /// The line's number, from 1, and its bytes without the line feed.
    case line(Int, [UInt8])
    /// A line that is longer than a message may be; it was skipped.
    case tooLong(Int)
    /// Nothing more can be read, and why.
    case failed(String)
}

/// Standard input, line by line.
///
/// Lines are read when they are asked for and not before: who sends slowly slows down whoever writes, and nothing piles up
/// here. Reading blocks, so it happens on a thread of its own.
actor LineSource {
    private let executor = BlockingExecutor(label: "lifeline.input")
    private let descriptor: Int32
    private let limit: Int
    /// The beginning of a line whose end has not been read.
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

    /// The next lines, as many as have come; none after the last. A last line need not end with a line feed.
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

    /// Reads what is there, or waits for something; nothing is the end.
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

    /// The lines that end in a chunk; what follows the last of them is kept.
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
