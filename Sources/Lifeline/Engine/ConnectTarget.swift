/// Where an engine is to connect to, and how.
package struct ConnectTarget: Sendable {
    /// A name or an address, that of IPv6 without its brackets and with its zone.
    package var host: String
    package var port: Int
    /// `nil` for plain TCP.
    package var tls: TLSContext?
    /// Whom the server's certificate is to name: the host, without a zone.
    package var serverName: String
    /// How long the lookup and TCP's handshake may take.
    package var timeout: Duration
    /// The marks of the transport's output.
    package var outboundMarks: BufferLimits.Marks
}

/// Who wants the connection: a client's attempt.
package protocol ConnectionRequester: AnyObject, Sendable {
    /// Whether ``resolved(_:)`` is worth calling.
    var isObserved: Bool { get }

    /// A name has been looked up.
    func resolved(_ addresses: [String])

    /// Makes the connection for the byte stream that has come about; on the loop.
    func makeConnection(on loop: Loop, over transport: any Transport, remoteAddress: String) -> Connection

    /// No connection came about.
    func connectFailed(_ error: any Error)
}
