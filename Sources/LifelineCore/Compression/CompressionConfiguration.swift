/// How messages are compressed with permessage-deflate
/// ([RFC 7692](https://www.rfc-editor.org/rfc/rfc7692)).
public struct CompressionConfiguration: Hashable, Sendable {
    /// The parameters to ask for.
    ///
    /// A client offers them. A server grants what a client offers, and also asks for these if the offer allows it: it can ask for a
    /// client's window below 32 KiB only if the offer has `client_max_window_bits`, as those of browsers do.
    public var parameters: PerMessageDeflate
    /// What a client also offers, in the order of preference, in case the server declines ``parameters``. Default: none. A server
    /// ignores them.
    public var alternatives: [PerMessageDeflate] = []
    /// The effort of the compressor, from 1 (fast) to 9 (small): zlib's levels. Default: 6.
    public var level: Int {
        didSet { precondition((1...9).contains(level), "a compression level is 1 to 9") }
    }
    /// The memory of the compressor apart from its window, from 1 (1 KiB) to 9 (256 KiB), doubling each time: zlib's `memLevel`.
    public var memoryLevel: Int {
        didSet { precondition((1...9).contains(memoryLevel), "a memory level is 1 to 9") }
    }
    /// The smallest message, in bytes, that is compressed with ``MessageCompression/automatic``. Default: 128.
    public var minimumSize: Int
    /// The largest message, in bytes, that is compressed with ``MessageCompression/automatic``; `nil` for any size.
    ///
    /// Compressing a mebibyte of text takes some 40 ms of processor time, during which the other connections of the event loop wait.
    /// Default: 256 KiB for a server, `nil` for a client.
    public var maximumSize: Int?
    /// How long a connection must be idle before it releases its compressor and decompressor, and keeps only their windows.
    /// Default: 10 s. They are allocated again with the next message.
    public var idleTimeout: Duration = .seconds(10)
    /// The limit on the memory of all connections together. Default: ``CompressionBudget/shared``.
    public var budget = CompressionBudget.shared

    /// Creates the defaults of a client, which has few connections: windows of 32 KiB, level 6, memory level 8, and messages of at
    /// least 128 bytes.
    public init() {
        parameters = PerMessageDeflate()
        level = 6
        memoryLevel = 8
        minimumSize = 128
    }

    /// The defaults of a server, which has many connections: windows of 4 KiB, level 6, memory level 5, and messages of at least 128
    /// bytes.
    ///
    /// A connection uses 49 KiB while messages are exchanged, and 8 KiB when it is idle. Windows of 32 KiB would save twice as many
    /// bytes on the wire, with six times the memory; `docs/compression.md` has the measurements.
    public static var server: CompressionConfiguration {
        var configuration = CompressionConfiguration()
        configuration.parameters = PerMessageDeflate(serverMaxWindowBits: 12, clientMaxWindowBits: 12)
        configuration.memoryLevel = 5
        configuration.maximumSize = 256 << 10
        return configuration
    }

    /// A client's offers in the order of preference, for ``ClientHandshake``; none if the ``budget`` is exhausted.
    public var offers: [WebSocketExtension] {
        budget.isExhausted ? [] : ([parameters] + alternatives).map(\.offer)
    }

    /// Returns a server's agreement on a client's offers; `nil` if none of them can be accepted, or the ``budget`` is exhausted.
    ///
    /// - Parameter extensions: ``ServerHandshake/extensions``.
    public func agreement(on extensions: [WebSocketExtension]) -> PerMessageDeflate? {
        budget.isExhausted ? nil : parameters.agreement(on: extensions)
    }
}

/// Whether to compress a message, on a connection that has agreed on compression.
@nonexhaustive(warn)
public enum MessageCompression: Hashable, Sendable {
    /// Compress the message if that is likely to make it shorter: if its size is between ``CompressionConfiguration/minimumSize`` and
    /// ``CompressionConfiguration/maximumSize``, and its content does not look compressed or encrypted. A message that becomes longer
    /// is sent uncompressed.
    case automatic
    /// Compress the message, whatever its size and content. It is sent uncompressed only if the connection has not agreed on
    /// compression, or ``CompressionConfiguration/budget`` is exhausted.
    case always
    /// Do not compress the message.
    case never
}

/// How much compression has saved on a connection.
public struct CompressionStatistics: Hashable, Sendable {
    /// The bytes of messages sent compressed, before compression.
    public var sentBytes = 0
    /// The bytes of messages sent compressed, on the wire, without the headers of their frames.
    public var sentWireBytes = 0
    /// The bytes of messages received compressed, after decompression.
    public var receivedBytes = 0
    /// The bytes of messages received compressed, on the wire, without the headers of their frames.
    public var receivedWireBytes = 0

    /// Creates statistics with all counts at zero.
    public init() {}

    /// ``sentBytes`` divided by ``sentWireBytes``; `nil` if nothing has been sent compressed.
    public var sentRatio: Double? { sentWireBytes > 0 ? Double(sentBytes) / Double(sentWireBytes) : nil }
    /// ``receivedBytes`` divided by ``receivedWireBytes``; `nil` if nothing has been received compressed.
    public var receivedRatio: Double? {
        receivedWireBytes > 0 ? Double(receivedBytes) / Double(receivedWireBytes) : nil
    }
}
