import Testing

@testable import LifelineCore

@Suite("RFC 9112 §6.3 where a body ends")
struct HTTPBodyTests {
    private func length(
        _ contentLength: [String], _ transferEncoding: [String] = [],
        tolerating tolerance: HTTPBodyLength.Tolerance = []
    ) -> Result<HTTPBodyLength, HTTPBodyLength.Malformed> {
        do throws(HTTPBodyLength.Malformed) {
            return .success(
                try HTTPBodyLength(
                    contentLength: contentLength, transferEncoding: transferEncoding, tolerating: tolerance))
        } catch {
            return .failure(error)
        }
    }

    @Test("RFC 9110 §8.6 Content-Length is one decimal number")
    func contentLength() {
        #expect(length([]) == .success(.absent))
        #expect(length(["0"]) == .success(.bytes(0)))
        #expect(length([" 17 "]) == .success(.bytes(17)))
        for malformed in ["", "-1", "+1", "0x1", "1 2", "99999999999999999999", "1, 1"] {
            #expect(length([malformed]) == .failure(.contentLength), "\(malformed)")
        }
        #expect(length(["1", "1"]) == .failure(.contentLength))
        #expect(length(["1", "1, 1"], tolerating: .repeatedLengths) == .success(.bytes(1)))
        #expect(length(["1", "2"], tolerating: .repeatedLengths) == .failure(.contentLength))
    }

    @Test("RFC 9112 §6.1 the last transfer coding decides, and excludes Content-Length")
    func transferEncoding() {
        #expect(length([], ["Chunked"]) == .success(.chunked))
        #expect(length([], ["gzip, chunked"]) == .success(.chunked))
        #expect(length([], ["gzip", "chunked"]) == .success(.chunked))
        #expect(length([], ["chunked, gzip"]) == .success(.untilEnd))
        #expect(length(["1"], ["chunked"]) == .failure(.contradictory))
        #expect(length(["1"], ["chunked"], tolerating: .bothLengths) == .success(.chunked))
    }

    /// Reads a body in pieces of `size` bytes.
    ///
    /// - Returns: Its data, the number of bytes that belong to it, and whether it is complete; `nil` if it is malformed.
    private func read(_ text: String, pieces size: Int) -> (data: String, count: Int, isComplete: Bool)? {
        var body = HTTPChunkedBody()
        var data: [UInt8] = []
        var total = 0
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty, !body.isComplete {
            let piece = Array(rest.prefix(size))
            guard let count = piece.withUnsafeBytes({ body.read($0) { data += $0 } }) else { return nil }
            total += count
            rest = rest.dropFirst(count)
        }
        return (String(decoding: data, as: UTF8.self), total, body.isComplete)
    }

    @Test("RFC 9112 §7.1 a chunked body is read, however it is split")
    func chunks() throws {
        let text = "5;x=y\r\nhello\r\n00A \r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
        for size in 1...text.utf8.count + 7 {
            let body = try #require(read(text + "GET / H", pieces: size))
            #expect(body == ("hello0123456789", text.utf8.count, true), "\(size)")
        }
        let cut = try #require(read("5\r\nhel", pieces: 100))
        #expect(cut == ("hel", 6, false))
    }

    @Test(
        "RFC 9112 §7.1 a malformed chunk is rejected",
        arguments: ["\r\n", "x\r\n", "-1\r\n", "1\r\nab", "FFFFFFFFFFFFFFFFF\r\n"], [1, 100])
    func malformed(text: String, size: Int) {
        #expect(read(text, pieces: size) == nil)
    }
}
