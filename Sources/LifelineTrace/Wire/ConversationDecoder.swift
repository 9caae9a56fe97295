package import Lifeline

/// Decodes the bytes that pass between a client and a server: the opening handshake, and then the frames in both directions.
///
/// The decoder only observes. No bytes make it fail: if it does not understand a direction, it says so in one note and decodes no more
/// of that direction. What it keeps is bounded.
///
/// Its events take the server's view (`WebSocketRole.server`): what the client sends is received, and what the server sends is sent.
/// A frame is reported once all of it has passed.
package struct ConversationDecoder {
    /// What the decoder expects next in a direction.
    private enum Phase {
        case head
        /// The response to a request for a WebSocket, which decides what the client's next bytes are.
        case awaitingResponse
        case body(Int)
        case chunks(HTTPChunkedBody)
        case frames
        /// Bytes that are not decoded.
        case undecoded
    }

    private struct Side {
        let name: WebSocketRole
        var phase = Phase.head
        var head = HeadReader()
        /// Bytes that came before the response to the upgrade.
        var early: [UInt8] = []
        var frames: FrameDecoder?
        var closing: TraceEvent.Frame?
        var hasFinished = false
        /// The Pings that it sent and that have not been answered: their payloads, and when they passed.
        var pings: [(payload: [UInt8], time: Int64)] = []
    }

    private let connection: UInt64
    private let payloadLimit: Int
    private var client = Side(name: .client)
    private var server = Side(name: .server)
    /// The methods of requests that have not been answered.
    private var methods: [String] = []
    private var isOpen = false
    private var firstToClose: WebSocketRole?
    private var firstToFinish: WebSocketRole?
    private var failure: String?
    private var time: Int64 = 0
    private var events: [TraceEvent] = []

    /// The most bytes that are kept of a client that sends more before the response to its upgrade.
    private static let earlyLimit = 64 << 10
    private static let maximumPings = 16
    private static let maximumMethods = 128

    /// Creates a decoder.
    ///
    /// - Parameters:
    ///   - connection: The connection's number.
    ///   - payloadLimit: The most bytes of a payload to keep; at most 16 MiB.
    package init(connection: UInt64, payloadLimit: Int) {
        self.connection = connection
        self.payloadLimit = payloadLimit
    }

    /// Whether both sides have agreed on a WebSocket.
    package var isWebSocket: Bool { isOpen }

    // MARK: Input

    /// Decodes the next bytes from a side.
    ///
    /// - Parameters:
    ///   - bytes: The bytes.
    ///   - sender: The side that has sent them.
    ///   - time: When, in nanoseconds.
    /// - Returns: The events that the bytes complete.
    package mutating func read(
        _ bytes: UnsafeRawBufferPointer, from sender: WebSocketRole, at time: Int64
    ) -> [TraceEvent] {
        self.time = time
        read(bytes, sender)
        return taken()
    }

    /// Handles the end of a side's output.
    package mutating func finished(_ sender: WebSocketRole, at time: Int64) -> [TraceEvent] {
        self.time = time
        guard !self[sender].hasFinished else { return [] }
        self[sender].hasFinished = true
        firstToFinish = firstToFinish ?? sender
        emit(.finished(direction(sender)))
        return taken()
    }

    /// Handles the failure of a side's connection.
    package mutating func failed(_ sender: WebSocketRole, _ reason: String, at time: Int64) -> [TraceEvent] {
        self.time = time
        firstToFinish = firstToFinish ?? sender
        failure = failure ?? "\(sender.rawValue): \(reason)"
        emit(.failed(reason: "the \(sender.rawValue)'s: \(reason)"))
        return taken()
    }

    /// Adds an event that is not in the bytes.
    package mutating func add(_ kind: TraceEvent.Kind, at time: Int64) -> [TraceEvent] {
        self.time = time
        emit(kind)
        return taken()
    }

    /// Stops decoding both directions.
    package mutating func stop(_ reason: String, at time: Int64) -> [TraceEvent] {
        self.time = time
        client.phase = .undecoded
        server.phase = .undecoded
        client.frames = nil
        server.frames = nil
        emit(.note("the proxy relays the rest without decoding it: \(reason)"))
        return taken()
    }

    /// Handles the end of both connections.
    package mutating func ended(at time: Int64) -> [TraceEvent] {
        self.time = time
        if isOpen {
            let (received, sent) = (client.frames?.compressed, server.frames?.compressed)
            if received?.wire ?? 0 > 0 || sent?.wire ?? 0 > 0 {
                emit(
                    .compressed(
                        TraceEvent.Compression(
                            sentBytes: sent?.plain ?? 0, sentWireBytes: sent?.wire ?? 0,
                            receivedBytes: received?.plain ?? 0, receivedWireBytes: received?.wire ?? 0)))
            }
            emit(.ended(ending))
        }
        emit(.tcpEnded)
        return taken()
    }

    private var ending: TraceEvent.Ending {
        let isClean = client.closing != nil && server.closing != nil
        guard let first = firstToClose, let frame = self[first].closing else {
            return TraceEvent.Ending(
                initiator: firstToFinish == .server ? .local : .peer, isClean: false, code: 1006, reason: "",
                failure: failure ?? "TCP ended without a Close frame")
        }
        let payload = frame.payload ?? []
        let code = payload.count >= 2 ? UInt16(payload[0]) << 8 | UInt16(payload[1]) : 1005
        return TraceEvent.Ending(
            initiator: first == .server ? .local : .peer, isClean: isClean, code: code,
            reason: String(decoding: payload.dropFirst(2), as: UTF8.self),
            failure: isClean ? nil : failure ?? "the Close frame was not answered")
    }

    private subscript(side: WebSocketRole) -> Side {
        get { side == .client ? client : server }
        _modify {
            if side == .client { yield &client } else { yield &server }
        }
    }

    private func direction(_ sender: WebSocketRole) -> TraceEvent.Direction {
        sender == .client ? .received : .sent
    }

    private mutating func emit(_ kind: TraceEvent.Kind) {
        events.append(TraceEvent(time: time, connection: connection, observer: .server, kind: kind))
    }

    private mutating func taken() -> [TraceEvent] {
        defer { events = [] }
        return events
    }

    // MARK: Bytes

    private mutating func read(_ bytes: UnsafeRawBufferPointer, _ sender: WebSocketRole) {
        var rest = bytes
        while !rest.isEmpty {
            switch self[sender].phase {
            case .undecoded: return
            case .awaitingResponse:
                guard self[sender].early.count + rest.count <= ConversationDecoder.earlyLimit else {
                    self[sender].early = []
                    let limit = ConversationDecoder.earlyLimit >> 10
                    stopDecoding(sender, "it sent more than \(limit) KiB before the response to its upgrade")
                    return
                }
                self[sender].early += rest
                return
            case .body(let length):
                let count = min(length, rest.count)
                self[sender].phase = length > count ? .body(length - count) : .head
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            case .chunks(var body):
                guard let count = body.read(rest) else {
                    stopDecoding(sender, "a malformed chunked body")
                    return
                }
                self[sender].phase = body.isComplete ? .head : .chunks(body)
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            case .frames:
                readFrames(rest, sender)
                return
            case .head:
                switch self[sender].head.read(rest, isRequest: sender == .client) {
                case .incomplete: return
                case .failed(let reason):
                    stopDecoding(sender, reason)
                    return
                case .complete(let head, let used):
                    rest = UnsafeRawBufferPointer(rebasing: rest[used...])
                    if sender == .client { handleRequest(head) } else { handleResponse(head) }
                }
            }
        }
    }

    /// Decodes no more of a side.
    private mutating func stopDecoding(_ sender: WebSocketRole, _ reason: String) {
        self[sender].phase = .undecoded
        self[sender].head = HeadReader()
        emit(.note("the proxy relays the \(sender.rawValue)'s bytes without decoding them: \(reason)"))
    }

    private mutating func readFrames(_ bytes: UnsafeRawBufferPointer, _ sender: WebSocketRole) {
        // Taken out, so that changing it does not copy what it keeps.
        guard var frames = self[sender].frames.take() else { return }
        var kinds: [TraceEvent.Kind] = []
        frames.read(bytes) { kinds.append($0) }
        if frames.hasStopped { self[sender].phase = .undecoded }
        self[sender].frames = frames
        for kind in kinds {
            emit(kind)
            guard case .frame(_, let frame) = kind else { continue }
            switch frame.meaning {
            case .close:
                firstToClose = firstToClose ?? sender
                self[sender].closing = self[sender].closing ?? frame
            case .ping:
                if self[sender].pings.count == ConversationDecoder.maximumPings { self[sender].pings.removeFirst() }
                self[sender].pings.append((frame.payload ?? [], time))
            case .pong: handlePong(frame, to: sender.peer)
            default: break
            }
        }
    }

    /// Matches a Pong with the Ping that it answers.
    private mutating func handlePong(_ pong: TraceEvent.Frame, to pinger: WebSocketRole) {
        let pings = self[pinger].pings
        guard let index = pings.lastIndex(where: { $0.payload == pong.payload ?? [] }) else { return }
        emit(.roundTrip(nanoseconds: time.subtractingSaturating(pings[index].time)))
        // A Pong may answer only the latest of several Pings (RFC 6455 §5.5.3).
        self[pinger].pings.removeFirst(index + 1)
    }

    // MARK: HTTP

    private mutating func handleRequest(_ head: TraceEvent.HTTPHead) {
        emit(.request(.received, head))
        if methods.count < ConversationDecoder.maximumMethods { methods.append(head.method ?? "") }
        if head.isUpgrade {
            client.phase = .awaitingResponse
        } else {
            skipBody(of: head, from: .client)
        }
    }

    private mutating func handleResponse(_ head: TraceEvent.HTTPHead) {
        emit(.response(.sent, head))
        let status = head.status ?? 0
        if (100...199).contains(status), status != 101 { return }
        let method = methods.isEmpty ? "" : methods.removeFirst()
        if status == 101 {
            if head.isUpgrade { open(head) } else { stopDecodingBoth("the protocol is not WebSocket") }
            return
        }
        if case .awaitingResponse = client.phase {
            // The upgrade was refused. Another request may follow.
            client.phase = .head
            readEarlyBytes()
        }
        if method == "HEAD" || status == 204 || status == 304 { return }
        skipBody(of: head, from: .server)
    }

    /// Skips the body that follows a head.
    private mutating func skipBody(of head: TraceEvent.HTTPHead, from sender: WebSocketRole) {
        switch head.bodyLength {
        // A request without a length has no body; a response's body ends with the stream (RFC 9112 §6.3).
        case .absent where sender == .client: break
        case .bytes(let count): self[sender].phase = count > 0 ? .body(count) : .head
        case .chunked: self[sender].phase = .chunks(HTTPChunkedBody())
        case .absent, .untilEnd, nil: stopDecoding(sender, "a body of unknown length")
        }
    }

    /// Decodes what the client sent before the response to its upgrade.
    private mutating func readEarlyBytes() {
        let early = client.early
        client.early = []
        if !early.isEmpty { early.withUnsafeBytes { read($0, .client) } }
    }

    private mutating func stopDecodingBoth(_ reason: String) {
        client.phase = .undecoded
        client.early = []
        server.phase = .undecoded
        emit(.note("the proxy passes bytes on, and does not decode them: \(reason)"))
    }

    /// Begins to decode frames.
    private mutating func open(_ head: TraceEvent.HTTPHead) {
        guard !isOpen else { return }
        isOpen = true
        let values = head.values("Sec-WebSocket-Extensions")
        let extensions = WebSocketExtension.parse(values)
        let agreement = extensions.flatMap { PerMessageDeflate.agreed(in: $0) }
        let others = (extensions ?? []).filter { $0.name != PerMessageDeflate.name || agreement == nil }
        let isUnknown = extensions == nil || !others.isEmpty
        if isUnknown {
            emit(.note("an unknown extension was agreed: \(values.joined(separator: ", "))"))
        }
        for side in WebSocketRole.allCases {
            self[side].frames = FrameDecoder(
                sender: side, payloadLimit: payloadLimit, agreement: agreement, hasUnknownExtension: isUnknown)
            self[side].phase = .frames
        }
        readEarlyBytes()
    }
}
