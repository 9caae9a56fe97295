import HTTPTypes
import LifelineCore

/// What a connection keeps for the ordinary HTTP request that is being answered.
struct HTTPExchange {
    typealias BodyContinuation = UnsafeContinuation<BodyPiece, Never>

    /// What reading a body gave.
    enum BodyPiece: Sendable {
        case data([UInt8])
        case end
        /// The connection has ended before the body.
        case failed
    }

    /// How many requests this connection has answered, which identifies the current one.
    var number = 0
    /// The part of the body that has arrived and has not been read.
    var body: [UInt8] = []
    /// The task that waits for more of the body.
    var reader: BodyContinuation?
    /// The task that waits until the transport takes more of the response's body.
    var writer: UnsafeContinuation<Bool, Never>?
}

/// Ordinary HTTP requests whose bodies are read, and whose responses are streamed.
extension Connection {
    /// The size in bytes at which a body is not read on until the application takes what has arrived.
    private static let maximumBufferedBody = 64 << 10

    // MARK: The request's body

    /// Reads the next part of the request's body for a task, which is resumed when there is one.
    ///
    /// - Parameter number: The number of the request. Nothing is read of a later request's body.
    func readBody(of number: Int, _ continuation: HTTPExchange.BodyContinuation) {
        loop.assertOnLoop()
        guard number == requestNumber else { return continuation.resume(returning: .failed) }
        assert(exchange.reader == nil, "two tasks read the body of one request")
        if !exchange.body.isEmpty {
            let body = exchange.body
            exchange.body = []
            return continuation.resume(returning: .data(body))
        }
        guard !isEnded, endpoint.pointee.request != nil else { return continuation.resume(returning: .failed) }
        guard endpoint.pointee.hasUnreadRequestBody else { return continuation.resume(returning: .end) }
        exchange.reader = continuation
        loop.beginTurn()
        now = loop.driver.now()
        endpoint.pointee.readRequestBody()
        settle()
        setReading()
        loop.endTurn()
    }

    func receivedBody(_ bytes: UnsafeRawBufferPointer) {
        exchange.body += bytes
        guard let reader = exchange.reader else {
            if exchange.body.count >= Connection.maximumBufferedBody { endpoint.pointee.pauseRequestBody() }
            return
        }
        exchange.reader = nil
        let body = exchange.body
        exchange.body = []
        reader.resume(returning: .data(body))
    }

    func bodyEnded() {
        let reader = exchange.reader
        exchange.reader = nil
        reader?.resume(returning: .end)
    }

    // MARK: The response

    /// Begins a response whose body is streamed; on the loop.
    ///
    /// - Returns: `false` if the connection has ended.
    func beginResponse(_ response: HTTPResponse) -> Bool {
        guard endpoint.pointee.request != nil else { return false }
        loop.beginTurn()
        now = loop.driver.now()
        endExchange()
        let hasBegun = endpoint.pointee.beginResponse(response, at: now)
        if hasBegun { observe(.responseSent(response)) }
        settle()
        loop.endTurn()
        return hasBegun
    }

    /// Writes a part of a response's body for a task, which is resumed when the transport takes more.
    func writeBody(_ bytes: [UInt8], _ continuation: UnsafeContinuation<Bool, Never>) {
        loop.assertOnLoop()
        loop.beginTurn()
        now = loop.driver.now()
        let isWritten = bytes.withUnsafeBytes { endpoint.pointee.writeResponseBody($0) }
        settle()
        _ = flushIfLarge()
        loop.endTurn()
        guard isWritten else { return continuation.resume(returning: false) }
        guard !isWritable, !isEnded else { return continuation.resume(returning: !isEnded) }
        exchange.writer = continuation
    }

    /// Ends a response whose body was streamed; on the loop.
    func endResponse() {
        loop.beginTurn()
        now = loop.driver.now()
        endpoint.pointee.endResponse(at: now)
        settle()
        setReading()
        loop.endTurn()
    }

    func resumeBodyWriter() {
        guard isWritable, let writer = coldState?.exchange.writer else { return }
        exchange.writer = nil
        writer.resume(returning: true)
    }

    /// Identifies the request that is being answered among those of the connection.
    var requestNumber: Int { coldState?.exchange.number ?? 0 }

    /// Ends the exchange with the current request: its body cannot be read any more.
    func endExchange() {
        let ended = exchange
        exchange = HTTPExchange(number: ended.number + 1)
        ended.reader?.resume(returning: .failed)
        ended.writer?.resume(returning: false)
    }

    /// Resumes the tasks that wait for a connection that has ended.
    func endHTTP() {
        if coldState != nil { endExchange() }
    }
}
