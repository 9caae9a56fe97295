import Lifeline

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// An event as a line of a recording: one flat JSON object. `docs/recording.md` describes its members.
struct RecordedLine: Codable, Hashable {
    var t: Int64
    var c: UInt64
    var by: WebSocketRole
    var event: String

    var addresses: [String]?
    var authority: String?
    var base64: String?
    var certificate: String?
    var clean: Bool?
    var code: UInt16?
    var compressed: Bool?
    var direction: TraceEvent.Direction?
    var failure: String?
    var fields: [[String]]?
    var fin: Bool?
    var frames: Int?
    var host: String?
    var initiator: String?
    var kind: String?
    var length: Int?
    var masked: Bool?
    var method: String?
    var nanoseconds: Int64?
    var note: String?
    var opcode: UInt8?
    var peer: String?
    var pending: Int?
    var port: Int?
    var reason: String?
    var receivedBytes: Int?
    var receivedWireBytes: Int?
    var rsv1: Bool?
    var sentBytes: Int?
    var sentWireBytes: Int?
    var size: Int?
    var status: Int?
    var target: String?
    var text: String?
    var version: String?
    var wire: Int?
}

/// A line of a recording is malformed.
public struct MalformedRecording: Error, Hashable, CustomStringConvertible {
    /// The number of the line; the first is 1.
    public let line: Int
    /// What is wrong.
    public let reason: String

    public var description: String { "line \(line): \(reason)" }
}

extension RecordedLine {
    // MARK: Writing

    init(_ event: TraceEvent) {
        self.init(t: event.time, c: event.connection, by: event.observer, event: "")
        switch event.kind {
        case .connecting(let host, let port):
            self.event = "connecting"
            self.host = host
            self.port = port
        case .resolved(let addresses):
            self.event = "resolved"
            self.addresses = addresses
        case .connectFailed(let reason):
            self.event = "connectFailed"
            self.reason = reason
        case .connected(let peer):
            self.event = "connected"
            self.peer = peer
        case .secured(let version, let certificate):
            self.event = "secured"
            self.version = version
            self.certificate = certificate
        case .request(let direction, let head):
            self.event = "request"
            add(direction, head)
        case .response(let direction, let head):
            self.event = "response"
            add(direction, head)
        case .frame(let direction, let frame):
            self.event = "frame"
            self.direction = direction
            opcode = frame.opcode
            fin = frame.isFinal
            rsv1 = frame.rsv1 ? true : nil
            masked = frame.isMasked
            length = frame.length
            add(frame.payload)
        case .message(let direction, let message):
            self.event = "message"
            self.direction = direction
            kind = message.isText ? "text" : "binary"
            size = message.size
            wire = message.wireSize
            compressed = message.isCompressed ? true : nil
            frames = message.frames
            add(message.payload)
        case .roundTrip(let nanoseconds):
            self.event = "roundTrip"
            self.nanoseconds = nanoseconds
        case .paused(let direction, let pending):
            self.event = "paused"
            self.direction = direction
            self.pending = pending
        case .resumed(let direction):
            self.event = "resumed"
            self.direction = direction
        case .compressed(let compression):
            self.event = "compressed"
            sentBytes = compression.sentBytes
            sentWireBytes = compression.sentWireBytes
            receivedBytes = compression.receivedBytes
            receivedWireBytes = compression.receivedWireBytes
        case .failed(let reason):
            self.event = "failed"
            self.reason = reason
        case .ended(let ending):
            self.event = "ended"
            initiator = ending.initiator.rawValue
            clean = ending.isClean
            code = ending.code
            reason = ending.reason
            failure = ending.failure
        case .finished(let direction):
            self.event = "finished"
            self.direction = direction
        case .tcpEnded:
            self.event = "tcpEnded"
        case .note(let text):
            self.event = "note"
            note = text
        }
    }

    private mutating func add(_ direction: TraceEvent.Direction, _ head: TraceEvent.HTTPHead) {
        self.direction = direction
        method = head.method
        target = head.target
        authority = head.authority
        status = head.status
        reason = head.reason
        fields = head.fields.map { [$0.name, $0.value] }
    }

    /// Adds a payload: as text if it is UTF-8, otherwise in base64.
    private mutating func add(_ payload: [UInt8]?) {
        guard let payload else { return }
        if let text = String(validating: payload, as: UTF8.self) {
            self.text = text
        } else {
            base64 = Data(payload).base64EncodedString()
        }
    }

    // MARK: Reading

    /// Returns the event, or what is wrong with the line.
    func parsed() -> Result<TraceEvent, Incomplete> {
        do throws(Incomplete) {
            return .success(TraceEvent(time: t, connection: c, observer: by, kind: try parsedKind()))
        } catch {
            return .failure(error)
        }
    }

    /// A member is missing or invalid.
    struct Incomplete: Error {
        var reason: String
    }

    private func need<Value>(_ value: Value?, _ name: String) throws(Incomplete) -> Value {
        guard let value else { throw Incomplete(reason: "the event \"\(event)\" has no \"\(name)\"") }
        return value
    }

    private func parsedKind() throws(Incomplete) -> TraceEvent.Kind {
        switch event {
        case "connecting": return .connecting(host: try need(host, "host"), port: port)
        case "resolved": return .resolved(addresses: try need(addresses, "addresses"))
        case "connectFailed": return .connectFailed(reason: try need(reason, "reason"))
        case "connected": return .connected(peer: try need(peer, "peer"))
        case "secured": return .secured(version: try need(version, "version"), certificate: certificate)
        case "request": return .request(try need(direction, "direction"), try parsedHead())
        case "response": return .response(try need(direction, "direction"), try parsedHead())
        case "frame":
            return .frame(
                try need(direction, "direction"),
                TraceEvent.Frame(
                    opcode: try need(opcode, "opcode"), isFinal: try need(fin, "fin"), rsv1: rsv1 ?? false,
                    isMasked: try need(masked, "masked"), length: max(0, try need(length, "length")),
                    payload: try parsedPayload()))
        case "message":
            let kind = try need(kind, "kind")
            guard kind == "text" || kind == "binary" else {
                throw Incomplete(
                    reason: "a message has the kind \(kind.debugDescription), which is neither text nor binary")
            }
            return .message(
                try need(direction, "direction"),
                TraceEvent.Message(
                    isText: kind == "text", size: max(0, try need(size, "size")),
                    wireSize: max(0, try need(wire, "wire")), isCompressed: compressed ?? false,
                    frames: max(0, frames ?? 1),
                    payload: try parsedPayload()))
        case "roundTrip": return .roundTrip(nanoseconds: try need(nanoseconds, "nanoseconds"))
        case "paused": return .paused(try need(direction, "direction"), pendingBytes: pending.map { max(0, $0) })
        case "resumed": return .resumed(try need(direction, "direction"))
        case "compressed":
            return .compressed(
                TraceEvent.Compression(
                    sentBytes: max(0, try need(sentBytes, "sentBytes")),
                    sentWireBytes: max(0, try need(sentWireBytes, "sentWireBytes")),
                    receivedBytes: max(0, try need(receivedBytes, "receivedBytes")),
                    receivedWireBytes: max(0, try need(receivedWireBytes, "receivedWireBytes"))))
        case "failed": return .failed(reason: try need(reason, "reason"))
        case "ended":
            let initiator = try need(initiator, "initiator")
            guard let initiator = TraceEvent.Ending.Initiator(rawValue: initiator) else {
                throw Incomplete(
                    reason: "the initiator \(initiator.debugDescription) is none of local, peer and both")
            }
            return .ended(
                TraceEvent.Ending(
                    initiator: initiator, isClean: try need(clean, "clean"),
                    code: try need(code, "code"), reason: reason ?? "", failure: failure))
        case "finished": return .finished(try need(direction, "direction"))
        case "tcpEnded": return .tcpEnded
        case "note": return .note(try need(note, "note"))
        // An event of a later version.
        default: return .note("unknown event \"\(event)\"")
        }
    }

    private func parsedHead() throws(Incomplete) -> TraceEvent.HTTPHead {
        var read: [TraceEvent.HTTPHead.Field] = []
        for field in fields ?? [] {
            guard field.count == 2 else { throw Incomplete(reason: "a header field is not a pair of name and value") }
            read.append(TraceEvent.HTTPHead.Field(name: field[0], value: field[1]))
        }
        return TraceEvent.HTTPHead(
            method: method, target: target, authority: authority, status: status, reason: reason, fields: read)
    }

    private func parsedPayload() throws(Incomplete) -> [UInt8]? {
        if let text { return Array(text.utf8) }
        guard let base64 else { return nil }
        guard let data = Data(base64Encoded: base64) else { throw Incomplete(reason: "\"base64\" is not valid base64") }
        return Array(data)
    }
}
