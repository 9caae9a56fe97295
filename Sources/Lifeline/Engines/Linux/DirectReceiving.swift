#if os(Linux)
import CLifelineLinux
import LifelineCore

/// Receives large messages straight into the memory in which they are assembled.
enum DirectReceiving {
    /// The size of the reads that bring the next message's header, in bytes. What they bring of its payload must be copied.
    static let readSize = 16 << 10
    /// The most bytes to receive for one connection before the others have their turn.
    private static let maximumSize = 1 << 20

    /// Receives what has arrived of a large message, while the socket may be read and the message goes on.
    ///
    /// The end of the stream and errors are left for the next ordinary read.
    ///
    /// - Returns: Whether anything was received.
    @inline(never)
    static func receive(_ connection: Connection, from descriptor: CInt, while mayRead: () -> Bool) -> Bool {
        var rest = maximumSize
        repeat {
            let available = min(Int(lifeline_available(descriptor)), rest)
            guard let window = connection.directWindow(for: available), let base = window.baseAddress else { break }
            let count = lifeline_receive(descriptor, base, min(window.count, rest))
            guard count > 0 else { break }
            rest -= count
            connection.received(UnsafeMutableRawBufferPointer(start: base, count: count))
        } while rest > 0 && mayRead()
        return rest < maximumSize
    }
}
#endif
