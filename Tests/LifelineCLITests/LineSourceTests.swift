import Lifeline
import NIOCore
import Testing

@testable import LifelineCLI

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

@Suite("Input lines")
struct LineSourceTests {
    /// All lines of an input that comes in the given pieces.
    private func lines(_ pieces: [String], limit: Int = 100) async -> [InputLine] {
        var descriptors: [Int32] = [0, 0]
        #expect(pipe(&descriptors) == 0)
        let (reader, writer) = (descriptors[0], descriptors[1])
        let source = LineSource(descriptor: reader, limit: limit)
        let reading = Task {
            var lines: [InputLine] = []
            while true {
                let batch = await source.next()
                if batch.isEmpty { return lines }
                lines += batch
            }
        }
        for piece in pieces {
            Array(piece.utf8).withUnsafeBytes { bytes in _ = System.write(writer, bytes) }
            try? await Task.sleep(for: .milliseconds(5))
        }
        close(writer)
        defer { close(reader) }
        return await reading.value
    }

    private func texts(_ lines: [InputLine]) -> [String] {
        lines.map { line in
            switch line {
            case .line(let number, let bytes): "\(number) " + String(decoding: bytes, as: UTF8.self)
            case .tooLong(let number): "\(number) too long"
            case .failed(let reason): reason
            }
        }
    }

    @Test("Lines are unchanged, however the input is split")
    func cuts() async {
        let input = "one\n\ntwo\r\nlast"
        let whole = texts(await lines([input]))
        #expect(whole == ["1 one", "2 ", "3 two\r", "4 last"])
        #expect(texts(await lines(input.map(String.init))) == whole)
    }

    @Test("The last line needs no line feed")
    func ends() async {
        #expect(await lines([]).isEmpty)
        #expect(texts(await lines(["a\n"])) == ["1 a"])
        #expect(texts(await lines(["\n"])) == ["1 "])
    }

    @Test("Only lines over the limit are skipped")
    func limit() async {
        let long = String(repeating: "x", count: 11)
        let fits = String(repeating: "x", count: 10)
        #expect(
            texts(await lines([fits + "\n" + long + "\nb\n" + long], limit: 10))
                == ["1 " + fits, "2 too long", "3 b", "4 too long"])
        #expect(texts(await lines(["xxxxxx", "xxxxxx", "x\n", "b"], limit: 10)) == ["1 too long", "2 b"])
    }

    @Test("Lines are converted to messages")
    func messages() throws {
        let text = LineEncoding(isBinary: false, isHexadecimal: false, limit: 10)
        #expect(try text.message(.line(1, Array("ü".utf8))).get() == .text("ü"))
        #expect(throws: LineEncoding.Refusal.self) { try text.message(.line(2, [0xFF])).get() }
        #expect(throws: LineEncoding.Refusal.self) { try text.message(.tooLong(3)).get() }
        let binary = LineEncoding(isBinary: true, isHexadecimal: false, limit: 10)
        #expect(try binary.message(.line(1, [0xFF])).get() == .binary([0xFF]))
        let hexadecimal = LineEncoding(isBinary: true, isHexadecimal: true, limit: 10)
        #expect(try hexadecimal.message(.line(1, Array("00 Ff1b".utf8))).get() == .binary([0x00, 0xFF, 0x1B]))
        for wrong in ["0", "zz", "0 0", "0x00"] {
            #expect(throws: LineEncoding.Refusal.self) { try hexadecimal.message(.line(1, Array(wrong.utf8))).get() }
        }
    }
}
