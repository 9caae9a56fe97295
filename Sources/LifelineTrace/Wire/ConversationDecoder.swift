package import Lifeline

/// Reads along with a connection between a client and a server, and tells what passes: the opening handshake, and then the
/// frames in both directions.
///
/// It takes no part. Whatever the bytes are, it neither fails nor asks for anything; what it does not understand it says once,
/// in a note, and reads no more of that direction. What it keeps is bounded.
///
/// Its events are the server's view (`WebSocketRole.server`), as seen from where it stands: what the client sends is
/// received, and what the server sends is sent. A frame is told of once all of it has passed.
package struct ConversationDecoder {
    /// What the bytes of a side are.
    private enum Phase {
        case head
        /// A request for a WebSocket has not been answered.
        case waiting
        case body(Int)
        case frames
        case unread
    }

    private struct Side {
        let name: WebSocketRole
        var phase = Phase.head
        var head = HeadReader()
        /// What came before it was known what it is.
        var early: [UInt8] = []
        var frames: FrameFollower?
        var closing: TraceEvent.Frame?
        var hasFinished = false
        /// Its Pings that have not been answered: what they carry, and when they passed.
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

    /// The most bytes that are kept of a client that goes on before it has been answered.
    private static let earlyLimit = 64 << 10
    private static let maximumPings = 16
    private static let maximumMethods = 128

    /// A decoder.
    ///
    /// - Parameters:
    ///   - connection: The connection's number.
    ///   - payloadLimit: The most bytes of a payload to keep; never more than 16 MiB are.
    package init(connection: UInt64, payloadLimit: Int) {
        self.connection = connection
        self.payloadLimit = payloadLimit
    }

    /// Whether both sides have agreed on a WebSocket.
    package var isWebSocket: Bool { isOpen }

    // MARK: What passes

    /// Reads bytes.
    ///
    /// - Parameters:
    ///   - bytes: What passes.
    ///   - sender: Who has sent it.
    ///   - time: When, in nanoseconds.
    /// - Returns: What they tell.
    package mutating func read(
        _ bytes: UnsafeRawBufferPointer, from sender: WebSocketRole, at time: Int64
    ) -> [TraceEvent] {
        self.time = time
        read(bytes, sender)
        return taken()
    }

    /// A side sends no more.
    package mutating func finished(_ sender: WebSocketRole, at time: Int64) -> [TraceEvent] {
        self.time = time
        guard !self[sender].hasFinished else { return [] }
        self[sender].hasFinished = true
        firstToFinish = firstToFinish ?? sender
        tell(.finished(direction(sender)))
        return taken()
    }

    /// A side's connection has failed.
    package mutating func failed(_ sender: WebSocketRole, _ reason: String, at time: Int64) -> [TraceEvent] {
        self.time = time
        firstToFinish = firstToFinish ?? sender
        failure = failure ?? "\(sender.rawValue): \(reason)"
        tell(.failed(reason: "the \(sender.rawValue)'s: \(reason)"))
        return taken()
    }

    /// Something that is not in the bytes.
    package mutating func add(_ kind: TraceEvent.Kind, at time: Int64) -> [TraceEvent] {
        self.time = time
        tell(kind)
        return taken()
    }

    /// What passes from now on is not read.
    package mutating func stop(_ reason: String, at time: Int64) -> [TraceEvent] {
        self.time = time
        client.phase = .unread
        server.phase = .unread
        client.frames = nil
        server.frames = nil
        tell(.note("relayed, and not read any more: \(reason)"))
        return taken()
    }

    /// All is over.
    package mutating func ended(at time: Int64) -> [TraceEvent] {
        self.time = time
        if isOpen {
            let (received, sent) = (client.frames?.compressed, server.frames?.compressed)
            if received?.wire ?? 0 > 0 || sent?.wire ?? 0 > 0 {
                tell(
                    .compressed(
                        TraceEvent.Compression(
                            sentBytes: sent?.plain ?? 0, sentWireBytes: sent?.wire ?? 0,
                            receivedBytes: received?.plain ?? 0, receivedWireBytes: received?.wire ?? 0)))
            }
            tell(.ended(ending))
        }
        tell(.tcpEnded)
        return taken()
    }

    private var ending: TraceEvent.Ending {
        let isClean = client.closing != nil && server.closing != nil
        guard let first = firstToClose, let frame = self[first].closing else {
            return TraceEvent.Ending(
                initiator: firstToFinish == .server ? "local" : "peer", isClean: false, code: 1006, reason: "",
                failure: failure ?? "TCP ended without a Close frame")
        }
        let payload = frame.payload ?? []
        let code = payload.count >= 2 ? UInt16(payload[0]) << 8 | UInt16(payload[1]) : 1005
        return TraceEvent.Ending(
            initiator: first == .server ? "local" : "peer", isClean: isClean, code: code,
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

    private mutating func tell(_ kind: TraceEvent.Kind) {
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
            case .unread: return
            case .waiting:
                guard self[sender].early.count + rest.count <= ConversationDecoder.earlyLimit else {
                    self[sender].early = []
                    leave(sender, "it goes on before it is answered")
                    return
                }
                self[sender].early += rest
                return
            case .body(let length):
                let count = min(length, rest.count)
                self[sender].phase = length > count ? .body(length - count) : .head
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            case .frames:
                readFrames(rest, sender)
                return
            case .head:
                switch self[sender].head.read(rest, isRequest: sender == .client) {
                case .incomplete: return
                case .failed(let reason):
                    leave(sender, reason)
                    return
                case .complete(let head, let used):
                    rest = UnsafeRawBufferPointer(rebasing: rest[used...])
                    if sender == .client { requested(head) } else { answered(head) }
                }
            }
        }
    }

    /// Reads no more of a side.
    private mutating func leave(_ sender: WebSocketRole, _ reason: String) {
        self[sender].phase = .unread
        self[sender].head = HeadReader()
        tell(.note("what the \(sender.rawValue) sends is relayed, and not read: \(reason)"))
    }

    private mutating func readFrames(_ bytes: UnsafeRawBufferPointer, _ sender: WebSocketRole) {
        // Taken out, so that what it keeps is not copied.
        guard var frames = self[sender].frames.take() else { return }
        var kinds: [TraceEvent.Kind] = []
        frames.read(bytes) { kinds.append($0) }
        if frames.hasStopped { self[sender].phase = .unread }
        self[sender].frames = frames
        for kind in kinds {
            tell(kind)
            guard case .frame(_, let frame) = kind else { continue }
            switch frame.meaning {
            case .close:
                firstToClose = firstToClose ?? sender
                self[sender].closing = self[sender].closing ?? frame
            case .ping:
                if self[sender].pings.count == ConversationDecoder.maximumPings { self[sender].pings.removeFirst() }
                self[sender].pings.append((frame.payload ?? [], time))
            case .pong: answered(frame, sender.peer)
            default: break
            }
        }
    }

    /// A Pong has passed, to who may have sent its Ping.
    private mutating func answered(_ pong: TraceEvent.Frame, _ asker: WebSocketRole) {
        let pings = self[asker].pings
        guard let index = pings.lastIndex(where: { $0.payload == pong.payload ?? [] }) else { return }
        tell(.roundTrip(nanoseconds: time.subtractingSaturating(pings[index].time)))
        // Older ones are answered with it (RFC 6455 §5.5.3).
        self[asker].pings.removeFirst(index + 1)
    }

    // MARK: HTTP

    private mutating func requested(_ head: TraceEvent.HTTPHead) {
        tell(.request(.received, head))
        if methods.count < ConversationDecoder.maximumMethods { methods.append(head.method ?? "") }
        if head.isUpgrade {
            client.phase = .waiting
        } else if !head.values("Transfer-Encoding").isEmpty {
            leave(.client, "a body of unknown length")
        } else {
            client.phase = ConversationDecoder.phase(afterBodyOf: head)
        }
    }

    private mutating func answered(_ head: TraceEvent.HTTPHead) {
        tell(.response(.sent, head))
        let status = head.status ?? 0
        if (100...199).contains(status), status != 101 { return }
        let method = methods.isEmpty ? "" : methods.removeFirst()
        if status == 101 {
            if head.isUpgrade { open(head) } else { leaveBoth("another protocol than WebSocket") }
            return
        }
        if case .waiting = client.phase {
            // It was refused; another request may follow.
            client.phase = .head
            let early = client.early
            client.early = []
            if !early.isEmpty { early.withUnsafeBytes { read($0, .client) } }
        }
        if method == "HEAD" || status == 204 || status == 304 { return }
        if head["Content-Length"] == nil || !head.values("Transfer-Encoding").isEmpty {
            leave(.server, "a body of unknown length")
        } else {
            server.phase = ConversationDecoder.phase(afterBodyOf: head)
        }
    }

    private static func phase(afterBodyOf head: TraceEvent.HTTPHead) -> Phase {
        guard let length = head["Content-Length"].flatMap({ Int($0) }), length > 0 else { return .head }
        return .body(length)
    }

    private mutating func leaveBoth(_ reason: String) {
        client.phase = .unread
        client.early = []
        server.phase = .unread
        tell(.note("what follows is relayed, and not read: \(reason)"))
    }

    /// Both sides have agreed on a WebSocket.
    private mutating func open(_ head: TraceEvent.HTTPHead) {
        guard !isOpen else { return }
        isOpen = true
        let values = head.values("Sec-WebSocket-Extensions")
        let extensions = WebSocketExtension.parse(values)
        let agreement = extensions.flatMap { PerMessageDeflate.agreed(in: $0) }
        let others = (extensions ?? []).filter { $0.name != PerMessageDeflate.name || agreement == nil }
        let isUnknown = extensions == nil || !others.isEmpty
        if isUnknown {
            tell(.note("an extension that is not understood: \(values.joined(separator: ", "))"))
        }
        for side in [WebSocketRole.client, .server] {
            self[side].frames = FrameFollower(
                sender: side, payloadLimit: payloadLimit, agreement: agreement, hasUnknownExtension: isUnknown)
            self[side].phase = .frames
        }
        let early = client.early
        client.early = []
        if !early.isEmpty { early.withUnsafeBytes { read($0, .client) } }
    }
}
