/// Decompresses the messages of one direction for an observer.
///
/// It keeps only zlib's window, and passes the decompressed bytes on in parts.
package final class MessageInflater {
    /// Why a message cannot be decompressed. No later message can be decompressed either.
    package enum Failure: Error, Hashable, Sendable {
        /// It is not valid DEFLATE.
        case corrupt(String)
        /// It exceeds the limit when decompressed.
        case tooBig(limit: Int)
    }

    private static let budget = CompressionBudget(limit: .max)
    private static let partSize = 16 << 10

    private let stream: InflateStream
    private let keepsWindow: Bool
    private let limit: Int
    private var size = 0
    private var wireSize = 0
    private var endsWithFinalBlock = false
    private let part = UnsafeMutableRawBufferPointer.allocate(byteCount: MessageInflater.partSize, alignment: 16)

    /// Creates a decompressor of the messages that `sender` sends; `nil` if the system has no memory.
    ///
    /// - Parameters:
    ///   - agreement: What was agreed about compression.
    ///   - sender: Who sends the messages.
    ///   - limit: The most bytes that a message may inflate to.
    package init?(_ agreement: PerMessageDeflate, sender: WebSocketRole, limit: Int) {
        // The largest window decompresses messages compressed with any window.
        guard let stream = InflateStream(15, budget: MessageInflater.budget) else { return nil }
        self.stream = stream
        self.limit = limit
        keepsWindow = !agreement.noContextTakeover(sender)
    }

    deinit {
        part.deallocate()
    }

    /// Decompresses the next bytes of a message.
    ///
    /// - Parameter take: Receives the decompressed bytes in parts.
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
            let result = stream.decompress(rest, into: part)
            rest = UnsafeRawBufferPointer(rebasing: rest[result.used...])
            size.addSaturating(result.written)
            guard size <= limit else { throw .tooBig(limit: limit) }
            if result.written > 0 { take(UnsafeRawBufferPointer(rebasing: part[..<result.written])) }
            switch result.status {
            case .needsMore:
                if result.used > 0 { endsWithFinalBlock = false }
                // Unused room means that the input used so far produces no more output.
                if rest.isEmpty, result.written < part.count { return }
                if result.used == 0, result.written == 0 { throw .corrupt("no progress") }
            case .finalBlockEnded:
                endsWithFinalBlock = true
                if rest.isEmpty { return }
            case .isCorrupt(let reason): throw .corrupt(reason)
            }
        }
    }
}

extension PerMessageDeflate {
    /// Returns the agreement on permessage-deflate in a server's response.
    ///
    /// - Parameter extensions: The extensions of the server's response.
    /// - Returns: `nil` if permessage-deflate is not among them, or its parameters are malformed.
    package static func agreed(in extensions: [WebSocketExtension]) -> PerMessageDeflate? {
        guard let answer = extensions.first(where: { $0.name == name }), let element = try? Element(answer) else {
            return nil
        }
        return PerMessageDeflate(element)
    }
}
