import Benchmark

let benchmarks: @Sendable () -> Void = {
    Benchmark.defaultConfiguration = .init(
        metrics: [.wallClock, .throughput], warmupIterations: 10, scalingFactor: .kilo, maxDuration: .seconds(1))

    // Header, limits and unmasking; a message lies whole in the buffer, as nearly all do.
    for size in [16, 64, 1_024, 16 << 10] {
        Benchmark("read binary, \(size) B") { benchmark in
            try benchmark.measure(Reader(Frames.messages(.zeros(size), opcode: 2)))
        }
    }
    Benchmark("read binary, 64 B, in pieces of 7 B") { benchmark in
        try benchmark.measure(Reader(Frames.messages(.zeros(64), opcode: 2), piece: 7))
    }
    Benchmark("read binary, 16 fragments of 64 B") { benchmark in
        try benchmark.measure(Reader(Frames.fragments(16, of: .zeros(64))))
    }
    // The same with UTF-8 to check: ASCII alone, an umlaut now and then, no ASCII at all.
    for (name, characters) in [("ASCII", "abcdefgh"), ("German", "schöner "), ("Japanese", "日本語")] {
        for size in [64, 16 << 10] {
            Benchmark("read text, \(name), \(size) B") { benchmark in
                try benchmark.measure(Reader(Frames.messages(.repeating(characters, size), opcode: 1)))
            }
        }
    }
    // JSON, each message compressed by itself.
    for size in [200, 2_048, 20_480] {
        Benchmark("read compressed text, \(size) B") { benchmark in
            let json = [UInt8].json(size)
            let compressed = try Compressor(json).compressed()
            try benchmark.measure(Reader(Frames.messages(compressed, opcode: 0x41)))
        }
        Benchmark("compress text, \(size) B") { benchmark in
            try benchmark.measure(Compressor(.json(size)))
        }
    }
    for size in [64, 1_024, 1 << 20] {
        Benchmark("write a header for \(size) B") { benchmark in
            try benchmark.measure(Writer(payloadLength: size))
        }
    }
}

/// What is measured: a step is one message, or one header.
protocol Steps {
    func step() throws
}

extension Benchmark {
    /// Measures a thousand steps at a time.
    func measure(_ steps: some Steps) throws {
        self.startMeasurement()
        for _ in self.scaledIterations { try steps.step() }
        self.stopMeasurement()
    }
}
