/// A client that speaks bytes to a server under the engines' contract. Its calls block for at most five seconds.
protocol ContractPeer: AnyObject, Sendable {
    /// Sends all bytes.
    func send(_ bytes: [UInt8]) throws

    /// Sends the same bytes again and again, until the server and the network have accepted nothing for 200 ms.
    func flood(_ bytes: [UInt8])

    /// Receives at least one byte and at most `most`, or none at the end of the server's output.
    func receive(_ most: Int) throws -> [UInt8]

    /// Ends one direction of the connection.
    func shutDown(_ direction: StreamDirection)

    /// Closes the connection, as a program does that closes its socket.
    func close()

    /// Closes the connection with a reset.
    func reset()
}

/// A direction of a byte stream, as a peer sees it.
enum StreamDirection {
    /// What the peer receives (`SHUT_RD`).
    case input
    /// What the peer sends (`SHUT_WR`).
    case output
}

extension ContractPeer {
    /// Receives an HTTP head, and nothing behind it.
    func readHead() throws -> String {
        var head: [UInt8] = []
        while head.suffix(4) != [13, 10, 13, 10] {
            let byte = try receive(1)
            guard !byte.isEmpty else { break }
            head += byte
        }
        return String(decoding: head, as: UTF8.self)
    }
}
