/// The input from the fuzzer: a few bytes that make choices, and the content.
public struct FuzzInput {
    private var rest: ArraySlice<UInt8>

    /// Creates an input of the bytes that libFuzzer passes.
    public init(_ bytes: UnsafePointer<UInt8>, _ count: Int) {
        rest = Array(UnsafeBufferPointer(start: bytes, count: count))[...]
    }

    /// Returns the next byte; 0 at the end.
    public mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

    /// Returns the next byte as a number from 0 up to, but not including, `limit`.
    public mutating func below(_ limit: Int) -> Int { Int(byte()) % limit }

    /// Returns a choice that the next byte makes.
    public mutating func choice() -> Bool { byte() & 1 == 1 }

    /// Returns the remaining bytes.
    public mutating func remaining() -> [UInt8] {
        defer { rest = [] }
        return Array(rest)
    }
}

/// A small generator of random numbers, so that the input alone decides where bytes are split.
public struct Splitter: RandomNumberGenerator {
    private var state: UInt64

    /// - Parameter seed: A byte of the input.
    public init(seed: UInt8) {
        state = UInt64(seed)
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    /// Returns a number from 0 up to, but not including, `limit`.
    public mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }

    /// Returns bytes in pieces, most of them short, none empty.
    public mutating func pieces(_ bytes: [UInt8]) -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        var start = 0
        while start < bytes.count {
            let length = 1 + below(below(4) == 0 ? 400 : 12)
            pieces.append(Array(bytes[start..<min(start + length, bytes.count)]))
            start += length
        }
        return pieces
    }
}

/// Ends the process with a finding.
public func check(
    _ condition: Bool, _ message: @autoclosure () -> String, file: StaticString = #file, line: UInt = #line
) {
    if !condition { fatalError(message(), file: file, line: line) }
}
