public import Lifeline

/// One step in a connection's life as recordings have it and drawings show it: a `LifecycleEvent` that can be written down,
/// read again, and made by something else than this library.
public struct TraceEvent: Hashable, Sendable {
    /// When it happened, in nanoseconds since the recording began.
    public var time: Int64
    /// The connection's number within the recording.
    public var connection: UInt64
    /// Who saw it.
    public var observer: WebSocketRole
    /// What happened.
    public var kind: Kind

    /// An event.
    public init(time: Int64, connection: UInt64, observer: WebSocketRole, kind: Kind) {
        self.time = time
        self.connection = connection
        self.observer = observer
        self.kind = kind
    }

    /// Which way something goes, as its observer sees it.
    public enum Direction: String, Hashable, Sendable, Codable {
        /// From the observer to its peer.
        case sent
        /// From the peer to the observer.
        case received
    }

    /// What happened. Later versions may add kinds: a `switch` needs a `default`.
    public enum Kind: Hashable, Sendable {
        /// A client looks for the host.
        case connecting(host: String, port: Int)
        /// The host's addresses are known.
        case resolved(addresses: [String])
        /// No connection came about, and why.
        case connectFailed(reason: String)
        /// TCP is there.
        case connected(peer: String)
        /// TLS is there.
        case secured(version: String, certificate: String?)
        /// The opening request.
        case request(Direction, HTTPHead)
        /// The answer to it.
        case response(Direction, HTTPHead)
        /// A frame.
        case frame(Direction, Frame)
        /// A message, after its last frame.
        case message(Direction, Message)
        /// A Pong answered a Ping of the observer's after so many nanoseconds; where the observer stands between client and
        /// server, a Ping of either, and the time is that from there to who has answered, and back.
        case roundTrip(nanoseconds: Int64)
        /// The observer stops taking, or giving, because the application, or the peer, is behind.
        case paused(Direction, pendingBytes: Int?)
        /// It goes on.
        case resumed(Direction)
        /// How much compression has saved.
        case compressed(Compression)
        /// The byte stream failed.
        case failed(reason: String)
        /// How the WebSocket ended.
        case ended(Ending)
        /// The end of one direction of TCP.
        case finished(Direction)
        /// TCP is over.
        case tcpEnded
        /// Something that is to be said about the recording at this place.
        case note(String)
    }

    /// The head of a request or of its answer.
    public struct HTTPHead: Hashable, Sendable {
        /// The method of a request; `nil` in an answer.
        public var method: String?
        /// The target of a request.
        public var target: String?
        /// The host of a request, and its port.
        public var authority: String?
        /// The status of an answer; `nil` in a request.
        public var status: Int?
        /// The words behind the status.
        public var reason: String?
        /// The fields in their order.
        public var fields: [Field]

        /// A field of a head.
        public struct Field: Hashable, Sendable, Codable {
            /// The field's name.
            public var name: String
            /// The field's value.
            public var value: String

            /// A field.
            public init(name: String, value: String) {
                self.name = name
                self.value = value
            }
        }

        /// A head.
        public init(
            method: String? = nil, target: String? = nil, authority: String? = nil, status: Int? = nil,
            reason: String? = nil, fields: [Field] = []
        ) {
            self.method = method
            self.target = target
            self.authority = authority
            self.status = status
            self.reason = reason
            self.fields = fields
        }

        /// The value of the first field with a name, whatever its case.
        public subscript(name: String) -> String? {
            fields.first { $0.name.lowercased() == name.lowercased() }?.value
        }
    }

    /// A frame.
    public struct Frame: Hashable, Sendable {
        /// The opcode's number, 0 to 15 (RFC 6455 §5.2).
        public var opcode: UInt8
        /// Whether it is the last of its message.
        public var isFinal: Bool
        /// Whether it begins a compressed message (RFC 7692 §6).
        public var rsv1: Bool
        /// Whether the payload was masked on the wire.
        public var isMasked: Bool
        /// The bytes of the payload on the wire.
        public var length: Int
        /// How the payload begins, unmasked and decompressed; `nil` where it is not recorded.
        public var payload: [UInt8]?

        /// A frame.
        public init(
            opcode: UInt8, isFinal: Bool = true, rsv1: Bool = false, isMasked: Bool, length: Int,
            payload: [UInt8]? = nil
        ) {
            self.opcode = opcode
            self.isFinal = isFinal
            self.rsv1 = rsv1
            self.isMasked = isMasked
            self.length = length
            self.payload = payload
        }

        /// The bytes on the wire, with the header.
        public var wireLength: Int {
            let header = 2 + (length > 0xFFFF ? 8 : length > 125 ? 2 : 0) + (isMasked ? 4 : 0)
            return length.addingSaturating(header)
        }

        /// The opcode.
        public var meaning: Opcode { Opcode(rawValue: opcode) }
    }

    /// A message.
    public struct Message: Hashable, Sendable {
        /// Whether it is text; binary otherwise.
        public var isText: Bool
        /// The bytes of the payload.
        public var size: Int
        /// What its frames carried.
        public var wireSize: Int
        /// Whether it was compressed.
        public var isCompressed: Bool
        /// The number of its frames.
        public var frames: Int
        /// How the payload begins, or all of it; `nil` where it is not recorded.
        public var payload: [UInt8]?

        /// A message.
        public init(
            isText: Bool, size: Int, wireSize: Int, isCompressed: Bool = false, frames: Int = 1,
            payload: [UInt8]? = nil
        ) {
            self.isText = isText
            self.size = size
            self.wireSize = wireSize
            self.isCompressed = isCompressed
            self.frames = frames
            self.payload = payload
        }

        /// Whether the payload is recorded to its end.
        public var isWhole: Bool { payload.map { $0.count == size } ?? (size == 0) }
    }

    /// What compression has saved: bytes of compressed messages before and on the wire.
    public struct Compression: Hashable, Sendable, Codable {
        public var sentBytes: Int
        public var sentWireBytes: Int
        public var receivedBytes: Int
        public var receivedWireBytes: Int

        /// What has been saved.
        public init(sentBytes: Int, sentWireBytes: Int, receivedBytes: Int, receivedWireBytes: Int) {
            self.sentBytes = sentBytes
            self.sentWireBytes = sentWireBytes
            self.receivedBytes = receivedBytes
            self.receivedWireBytes = receivedWireBytes
        }
    }

    /// How a WebSocket ended.
    public struct Ending: Hashable, Sendable {
        /// Who began the end.
        public enum Initiator: String, Hashable, Sendable, Codable {
            /// The observer.
            case local
            /// The observer's peer.
            case peer
            /// Both, with Close frames that crossed on the wire.
            case both
        }

        /// Who began the end.
        public var initiator: Initiator
        /// Whether both Close frames were exchanged.
        public var isClean: Bool
        /// The code that the application is told (RFC 6455 §7.1.5).
        public var code: UInt16
        /// The reason with it.
        public var reason: String
        /// Why it was not clean.
        public var failure: String?

        /// An ending.
        public init(initiator: Initiator, isClean: Bool, code: UInt16, reason: String, failure: String? = nil) {
            self.initiator = initiator
            self.isClean = isClean
            self.code = code
            self.reason = reason
            self.failure = failure
        }
    }
}

extension TraceEvent {
    /// What an observer of the library was told.
    ///
    /// - Parameters:
    ///   - event: The event.
    ///   - beginning: The instant at which the recording began.
    ///   - keepsPayloads: Whether payloads are kept, as far as they were told.
    public init(_ event: LifecycleEvent, since beginning: MonotonicInstant, keepsPayloads: Bool) {
        func kept(_ bytes: [UInt8]) -> [UInt8]? { keepsPayloads ? bytes : nil }
        func frame(_ header: FrameHeader, _ bytes: [UInt8], isMasked: Bool) -> Frame {
            // Close codes, and what Pings say, are the protocol's and not the application's.
            Frame(
                opcode: header.opcode.rawValue, isFinal: header.isFinal, rsv1: header.rsv1, isMasked: isMasked,
                length: Int(clamping: header.payloadLength), payload: header.opcode.isControl ? bytes : kept(bytes))
        }
        func message(_ summary: LifecycleEvent.MessageSummary) -> Message {
            Message(
                isText: summary.kind == .text, size: summary.size, wireSize: summary.wireSize,
                isCompressed: summary.isCompressed, frames: summary.frames, payload: kept(summary.payload))
        }
        let kind: Kind =
            switch event.kind {
            case .connecting(let host, let port): .connecting(host: host, port: port)
            case .resolved(let addresses): .resolved(addresses: addresses)
            case .connectFailed(let reason): .connectFailed(reason: reason)
            case .connected(let peer): .connected(peer: peer)
            case .secured(let tls): .secured(version: tls.version, certificate: tls.peerCertificate)
            case .requestSent(let request): .request(.sent, HTTPHead(request))
            case .requestReceived(let request): .request(.received, HTTPHead(request))
            case .responseSent(let response): .response(.sent, HTTPHead(response))
            case .responseReceived(let response): .response(.received, HTTPHead(response))
            case .frameSent(let header, let bytes): .frame(.sent, frame(header, bytes, isMasked: event.role == .client))
            case .frameReceived(let header, let bytes):
                .frame(.received, frame(header, bytes, isMasked: event.role == .server))
            case .messageSent(let summary): .message(.sent, message(summary))
            case .messageReceived(let summary): .message(.received, message(summary))
            case .roundTrip(let time): .roundTrip(nanoseconds: time.wholeNanoseconds)
            case .readingPaused: .paused(.received, pendingBytes: nil)
            case .readingResumed: .resumed(.received)
            case .writingPaused(let pending): .paused(.sent, pendingBytes: pending)
            case .writingResumed: .resumed(.sent)
            case .compressed(let statistics):
                .compressed(
                    Compression(
                        sentBytes: statistics.sentBytes, sentWireBytes: statistics.sentWireBytes,
                        receivedBytes: statistics.receivedBytes, receivedWireBytes: statistics.receivedWireBytes))
            case .transportFailed(let reason): .failed(reason: reason)
            case .ended(let outcome):
                .ended(
                    Ending(
                        initiator: Ending.Initiator(outcome.initiator), isClean: outcome.isClean,
                        code: outcome.code.rawValue, reason: outcome.reason, failure: outcome.failure.map { "\($0)" }))
            case .outputEnded: .finished(.sent)
            case .inputEnded: .finished(.received)
            case .tcpEnded: .tcpEnded
            }
        self.init(
            time: event.instant.nanoseconds(since: beginning), connection: event.connectionID,
            observer: event.role, kind: kind)
    }
}

extension TraceEvent.Ending.Initiator {
    /// Creates the initiator of a connection's outcome.
    init(_ initiator: CloseOutcome.Initiator) {
        self =
            switch initiator {
            case .local: .local
            case .peer: .peer
            case .both: .both
            }
    }
}

extension TraceEvent.HTTPHead {
    /// A request's head.
    public init(_ request: HTTPRequest) {
        self.init(
            method: request.method.rawValue, target: request.path ?? "/", authority: request.authority,
            fields: request.headerFields.map { Field(name: $0.name.rawName, value: $0.value) })
    }

    /// An answer's head.
    public init(_ response: HTTPResponse) {
        self.init(
            status: response.status.code, reason: response.status.reasonPhrase,
            fields: response.headerFields.map { Field(name: $0.name.rawName, value: $0.value) })
    }
}
