/// Who gets the connections that come to a listening socket: a server.
package protocol ConnectionAcceptor: AnyObject, Sendable {
    /// The marks of the output of the connections' transports.
    var outboundMarks: BufferLimits.Marks { get }

    /// Makes the connection for a byte stream that has come; on the loop.
    func makeConnection(on loop: Loop, over transport: any Transport, remoteAddress: String) -> Connection

    /// A connection could not be accepted: the process, or the system, has run out of something. Called each time.
    func acceptFailed(_ reason: String)
}
