/// Decompresses the messages of one direction for somebody who reads along, and takes no part.
///
/// It keeps no more than zlib's window, and gives what it decompresses piece by piece.
package final class MessageInflater {
    /// What is wrong with a message; nothing behind it can be decompressed.
    package enum Failure: Error, Hashable, Sendable {
        /// It is no DEFLATE.
        case corrupt(String)
        /// It gives more than is allowed.
        case tooBig(limit: Int)
    }

    private static let budget = CompressionBudget(limit: .max)
    private static let pieceSize = 16 << 10

    private let stream: InflateStream
    private let keepsWindow: Bool
    private let limit: Int
    private var size = 0
    private var wireSize = 0
    private var endsWithFinalBlock = false
    private let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: MessageInflater.pieceSize, alignment: 16)

    /// A decompressor of what a side sends.
    ///
    /// - Parameters:
    ///   - agreement: What was agreed on.
    ///   - sender: The side.
    ///   - limit: The most bytes that a message may give.
    /// - Returns: `nil` where the system has no memory.
    package init?(_ agreement: PerMessageDeflate, sender: WebSocketRole, limit: Int) {
        // The largest window reads what was written with any.
        guard let stream = InflateStream(15, budget: MessageInflater.budget) else { return nil }
        self.stream = stream
        self.limit = limit
        keepsWindow = !agreement.noContextTakeover(sender)
    }

    deinit {
        piece.deallocate()
    }

    /// Decompresses some of a message.
    ///
    /// - Parameter take: Is given what it holds, in pieces.
    package func read(_ bytes: UnsafeRawBufferPointer, _ take: (UnsafeRawBufferPointer) -> Void) throws(Failure) {
        wireSize.addSaturating(bytes.count)
        try decompress(bytes, take)
    }

    /// Ends the message (RFC 7692 §7.2.2).
    package func endMessage(_ take: (UnsafeRawBufferPointer) -> Void) throws(Failure) {
        if wireSize > 0, !endsWithFinalBlock {
            try withUnsafeBytes(of: DeflateStream.tail) { (tail) throws(Failure) in try decompress(tail, take) }
        }
        size = 0
        wireSize = 0
        endsWithFinalBlock = false
        if !keepsWindow { stream.reset() }
    }

    private func decompress(
        _ bytes: UnsafeRawBufferPointer, _ take: (UnsafeRawBufferPointer) -> Void
    ) throws(Failure) {
        var rest = bytes
        while true {
            let result = stream.decompress(rest, into: piece)
            rest = UnsafeRawBufferPointer(rebasing: rest[result.used...])
            size.addSaturating(result.written)
            guard size <= limit else { throw .tooBig(limit: limit) }
            if result.written > 0 { take(UnsafeRawBufferPointer(rebasing: piece[..<result.written])) }
            switch result.status {
            case .goesOn:
                if result.used > 0 { endsWithFinalBlock = false }
                // Room that was left over means that there is nothing more to come of what has been read.
                if rest.isEmpty, result.written < piece.count { return }
                if result.used == 0, result.written == 0 { throw .corrupt("it does not go on") }
            case .blockWasFinal:
                endsWithFinalBlock = true
                if rest.isEmpty { return }
            case .isCorrupt(let reason): throw .corrupt(reason)
            }
        }
    }
}

extension PerMessageDeflate {
    /// What an answer's extensions say was agreed on, as far as it can be understood.
    ///
    /// - Parameter extensions: The extensions of the server's answer.
    /// - Returns: `nil` where permessage-deflate is not among them, or its parameters are malformed.
    package static func agreed(in extensions: [WebSocketExtension]) -> PerMessageDeflate? {
        guard let answer = extensions.first(where: { $0.name == name }), let element = try? Element(answer) else {
            return nil
        }
        return PerMessageDeflate(element)
    }
}
