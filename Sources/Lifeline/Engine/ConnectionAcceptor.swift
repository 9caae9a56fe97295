/// A server, to which the engine gives the connections that a listening socket accepts.
package protocol ConnectionAcceptor: AnyObject, Sendable {
    /// The marks for the output buffers of the transports.
    var outboundMarks: BufferLimits.Marks { get }

    /// Makes the connection for an accepted byte stream; on the loop.
    func makeConnection(on loop: Loop, over transport: any Transport, remoteAddress: String) -> Connection

    /// Reports that a connection could not be accepted, because the process or the system has run out of a resource. Called each
    /// time.
    func acceptFailed(_ reason: String)
}
