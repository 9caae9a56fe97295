/// Whether and how messages are compressed, with permessage-deflate
/// ([RFC 7692](https://www.rfc-editor.org/rfc/rfc7692)).
public struct CompressionConfiguration: Hashable, Sendable {
    /// What is asked of the peer.
    ///
    /// A client offers it. A server grants what a client offers, and asks for this besides where the offer allows it: a
    /// window of the client's smaller than 32 KiB only where the client speaks of its window, as browsers do.
    public var parameters: PerMessageDeflate
    /// What a client offers besides, in the order of preference, should the server decline ``parameters``. Default: none.
    /// A server has no use for them.
    public var alternatives: [PerMessageDeflate] = []
    /// How hard the compressor looks, from 1 (fast) to 9 (small); zlib's levels.
    public var level: Int {
        didSet { precondition((1...9).contains(level), "a compression level is 1 to 9") }
    }
    /// How much memory the compressor has beside its window, from 1 (1 KiB) to 9 (256 KiB), doubling; zlib's `memLevel`.
    public var memoryLevel: Int {
        didSet { precondition((1...9).contains(memoryLevel), "a memory level is 1 to 9") }
    }
    /// From how many bytes on a message is compressed, unless the sender decides otherwise
    /// (``MessageCompression/automatic``).
    public var minimumSize: Int
    /// Up to how many bytes a message is compressed, unless the sender decides otherwise (``MessageCompression/automatic``).
    ///
    /// Compressing a mebibyte of text takes some 40 ms of processor time, for which the other connections of the event loop
    /// wait. Default: 256 KiB for a server, `nil` (any size) for a client.
    public var maximumSize: Int?
    /// After how long a connection that keeps its windows gives back all else that its compressor and decompressor take.
    /// Default: 10 s. They are made anew around the windows with the next message.
    public var idleTimeout: Duration = .seconds(10)
    /// What all connections together may take. Default: ``CompressionBudget/shared``.
    public var budget = CompressionBudget.shared

    /// The defaults of a client, which has few connections: windows of 32 KiB, level 6, memory level 8. Messages from 128
    /// bytes on.
    public init() {
        parameters = PerMessageDeflate()
        level = 6
        memoryLevel = 8
        minimumSize = 128
    }

    /// The defaults of a server, which has many connections: windows of 4 KiB, level 6, memory level 5. Messages from 128 bytes
    /// on. A connection takes 49 KiB while messages come and go, and 8 KiB when it is idle, for half of what windows of
    /// 32 KiB save at six times the memory; `docs/compression.md` has the measurements.
    public static var server: CompressionConfiguration {
        var configuration = CompressionConfiguration()
        configuration.parameters = PerMessageDeflate(serverMaxWindowBits: 12, clientMaxWindowBits: 12)
        configuration.memoryLevel = 5
        configuration.maximumSize = 256 << 10
        return configuration
    }

    /// A client's offers in their order; none where there is no memory for it.
    package var offers: [WebSocketExtension] {
        budget.isExhausted ? [] : ([parameters] + alternatives).map(\.offer)
    }

    /// A server's agreement on a client's offers; `nil` where there is nothing to agree on, or no memory for it.
    package func agreement(on extensions: [WebSocketExtension]) -> PerMessageDeflate? {
        budget.isExhausted ? nil : parameters.agreement(on: extensions)
    }
}

/// Whether a message is compressed, where the connection has agreed on it.
///
/// In its place stands `true` for ``always`` and `false` for ``never``.
public enum MessageCompression: Hashable, Sendable, ExpressibleByBooleanLiteral {
    /// Where it is likely to be worth it: from ``CompressionConfiguration/minimumSize`` to
    /// ``CompressionConfiguration/maximumSize``, unless the content looks as if it had been compressed before. A message that would become longer is sent as it is.
    case automatic
    /// Whatever its size and content. It is sent as it is only where nothing has been agreed on, or
    /// ``CompressionConfiguration/budget`` is exhausted.
    case always
    /// As it is.
    case never

    public init(booleanLiteral value: Bool) {
        self = value ? .always : .never
    }
}

/// How much compression has saved on a connection.
public struct CompressionStatistics: Hashable, Sendable {
    /// The compressed messages sent, in bytes before they were compressed.
    public var sentBytes = 0
    /// The same on the wire, without their frames' headers.
    public var sentWireBytes = 0
    /// The compressed messages received, in bytes after they were decompressed.
    public var receivedBytes = 0
    /// The same on the wire, without their frames' headers.
    public var receivedWireBytes = 0

    /// Nothing so far.
    public init() {}

    /// How many times shorter what was sent has become; `nil` where nothing has been sent compressed.
    public var sentRatio: Double? { sentWireBytes > 0 ? Double(sentBytes) / Double(sentWireBytes) : nil }
    /// How many times shorter what was received had become; `nil` where nothing has been received compressed.
    public var receivedRatio: Double? {
        receivedWireBytes > 0 ? Double(receivedBytes) / Double(receivedWireBytes) : nil
    }
}
