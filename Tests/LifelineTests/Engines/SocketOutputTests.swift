#if os(Linux)
import LifelineCore
import LifelineTesting
import NIOCore
import Testing

@testable import Lifeline

/// The bytes that wait for a socket, whatever is added and however they are written.
@Suite("Socket output") struct SocketOutputTests {
    private let loop = Loop(driver: SimulatedNetwork())

    private func block(_ bytes: [UInt8]) -> OutputBlock {
        var block = loop.takeBlock()
        bytes.withUnsafeBytes { block.append($0) }
        return block
    }

    private func output(low: Int = 100, high: Int = 1000) -> SocketOutput {
        SocketOutput(BufferLimits.Marks(low: low, high: high), loop)
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>) func bytesStayInOrder(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var output = output()
        var model: [UInt8] = []
        var next: UInt8 = 0
        for _ in 0..<2000 {
            let isWriting = Int.random(in: 0..<10, using: &random) < 5
            if isWriting, !output.isEmpty {
                let first = Array(output.first)
                #expect(first.elementsEqual(model.prefix(first.count)))
                // A write may go beyond the first bytes, as one of a block and a payload does.
                let count = Int.random(in: 0...min(model.count, first.count + 50), using: &random)
                output.advance(by: count)
                model.removeFirst(count)
            } else {
                let bytes = (0..<Int.random(in: 1...3000, using: &random)).map { _ -> UInt8 in
                    next &+= 1
                    return next
                }
                switch Int.random(in: 0..<3, using: &random) {
                case 0: output.append(block(bytes))
                case 1: output.append(ByteBuffer(bytes: bytes))
                default: bytes.withUnsafeBytes { output.append(copying: $0) }
                }
                model += bytes
            }
            #expect(output.pendingBytes == model.count && output.isEmpty == model.isEmpty)
            #expect(output.isAboveHighMark == (model.count > 1000) && output.isBelowLowMark == (model.count < 100))
        }
        output.removeAll()
        #expect(output.isEmpty && output.pendingBytes == model.count, "dropped bytes stay pending")
    }

    @Test func oneBlockIsWrittenWhole() {
        var output = output()
        output.append(block([1, 2, 3]))
        #expect(output.isOneWholeBlock && output.isQueueEmpty)
        output.removeWholeBlock()
        #expect(output.isEmpty && !output.hasBlock && output.pendingBytes == 0)
    }

    /// A block of which a part is written, and as many bytes behind it, is not one whole block.
    @Test func aPartOfABlockIsNotAWholeOne() {
        var output = output()
        output.append(block([1, 2, 3]))
        output.advance(by: 1)
        output.append(block([4]))
        #expect(!output.isOneWholeBlock && !output.isQueueEmpty && Array(output.first) == [2, 3])
        output.advance(by: 3)
        #expect(output.isEmpty)
    }

    @Test func aPayloadIsKeptWithoutACopy() throws {
        var output = output()
        let payload = ByteBuffer(repeating: 7, count: 5000)
        output.append(payload)
        #expect(output.firstPayload == payload)
        let address = payload.withUnsafeReadableBytes { $0.baseAddress }
        #expect(output.first.baseAddress == address)
        output.removeAll()
        output.append(block([1]))
        #expect(output.firstPayload == nil)
        output.removeAll()
    }
}
#endif
