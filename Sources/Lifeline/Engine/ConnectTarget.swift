/// The server to which an engine connects, and how.
package struct ConnectTarget: Sendable {
    /// A name or an IP address with a port, or a Unix domain socket. An IPv6 address has no brackets and may have a
    /// zone.
    package var address: ServerAddress
    /// `nil` for plain TCP.
    package var tls: TLSContext?
    /// The name or address that the server's certificate must contain: the host without a zone.
    package var serverName: String
    /// The longest that the lookup and TCP's handshake may take.
    package var timeout: Duration
    /// The marks for the output buffer of the transport.
    package var outboundMarks: BufferLimits.Marks
}

/// A client's attempt to connect, to which the engine reports.
package protocol ConnectionRequester: AnyObject, Sendable {
    /// Whether to call ``resolved(_:)``.
    var isObserved: Bool { get }

    /// Reports the addresses of a name.
    func resolved(_ addresses: [String])

    /// Makes the connection for an established byte stream; on the loop.
    func makeConnection(on loop: Loop, over transport: any Transport, remoteAddress: String) -> Connection

    /// Reports that no connection could be established.
    func connectFailed(_ error: any Error)
}
