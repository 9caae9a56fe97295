public import Lifeline

/// An event of a connection, as recordings store it and drawings show it.
///
/// Unlike a `LifecycleEvent` of the library, it can be written to a file, read again, and made for connections of other programs.
public struct TraceEvent: Hashable, Sendable {
    /// When the event happened, in nanoseconds since the recording began.
    public var time: Int64
    /// The connection's number in the recording.
    public var connection: UInt64
    /// Who observed the event.
    public var observer: WebSocketRole
    /// What happened.
    public var kind: Kind

    /// Creates an event.
    public init(time: Int64, connection: UInt64, observer: WebSocketRole, kind: Kind) {
        self.time = time
        self.connection = connection
        self.observer = observer
        self.kind = kind
    }

    /// A direction, from the observer's point of view.
    public enum Direction: String, Hashable, Sendable, Codable {
        /// From the observer to its peer.
        case sent
        /// From the peer to the observer.
        case received
    }

    /// What happened.
    @nonexhaustive(warn)
    public enum Kind: Hashable, Sendable {
        /// A client begins to connect. For a Unix domain socket, the host is the path, and there is no port.
        case connecting(host: String, port: Int?)
        /// The host name was resolved.
        case resolved(addresses: [String])
        /// The connection could not be established.
        case connectFailed(reason: String)
        /// TCP is established.
        case connected(peer: String)
        /// The TLS handshake is complete.
        case secured(version: String, certificate: String?)
        /// The request of the opening handshake, or another HTTP request.
        case request(Direction, HTTPHead)
        /// The response to a request.
        case response(Direction, HTTPHead)
        /// A frame.
        case frame(Direction, Frame)
        /// A message, after its last frame.
        case message(Direction, Message)
        /// A Pong has answered a Ping of the observer after this many nanoseconds. If the observer is a proxy, it is
        /// a Ping of either, and the time is from the observer to the side that answered, and back.
        case roundTrip(nanoseconds: Int64)
        /// The observer has stopped receiving because the application is too slow, or sending because the peer is; with the bytes
        /// that wait to be sent, if known.
        case paused(Direction, pendingBytes: Int?)
        /// The observer receives, or sends, again.
        case resumed(Direction)
        /// The statistics of compression at the end of the connection.
        case compressed(Compression)
        /// The transport failed.
        case failed(reason: String)
        /// The WebSocket ended.
        case ended(Ending)
        /// One direction of TCP ended.
        case finished(Direction)
        /// TCP ended.
        case tcpEnded
        /// A note about the recording at this point.
        case note(String)
    }

    /// The head of a request or a response.
    public struct HTTPHead: Hashable, Sendable {
        /// The method of a request; `nil` for a response.
        public var method: String?
        /// The target of a request; `nil` for a response.
        public var target: String?
        /// The host and port of a request.
        public var authority: String?
        /// The status of a response; `nil` for a request.
        public var status: Int?
        /// The reason phrase of a response.
        public var reason: String?
        /// The fields, in order.
        public var fields: [Field]

        /// A header field.
        public struct Field: Hashable, Sendable, Codable {
            /// The field's name.
            public var name: String
            /// The field's value.
            public var value: String

            /// Creates a field.
            public init(name: String, value: String) {
                self.name = name
                self.value = value
            }
        }

        /// Creates a head.
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

        /// The value of the first field with a name, ignoring case; `nil` if there is none.
        public subscript(name: String) -> String? {
            fields.first { $0.name.lowercased() == name.lowercased() }?.value
        }
    }

    /// A frame.
    public struct Frame: Hashable, Sendable {
        /// The opcode, 0 to 15 (RFC 6455 §5.2).
        public var opcode: UInt8
        /// Whether the frame is the last of its message.
        public var isFinal: Bool
        /// Whether the frame is the first of a compressed message (RFC 7692 §6).
        public var rsv1: Bool
        /// Whether the payload was masked on the wire.
        public var isMasked: Bool
        /// The length of the payload on the wire, in bytes.
        public var length: Int
        /// The recorded part of the payload, from its beginning, unmasked and decompressed; `nil` if none was recorded.
        public var payload: [UInt8]?

        /// Creates a frame.
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

        /// The length of the frame on the wire, with its header, in bytes.
        public var wireLength: Int {
            length.addingSaturating(
                FrameHeader.encodedLength(payloadLength: UInt64(clamping: length), isMasked: isMasked))
        }

        /// ``opcode`` as an `Opcode`.
        public var meaning: Opcode { Opcode(rawValue: opcode) }
    }

    /// A message.
    public struct Message: Hashable, Sendable {
        /// Whether the message is text; otherwise it is binary.
        public var isText: Bool
        /// The size of the message in bytes.
        public var size: Int
        /// The size of the payloads of its frames on the wire, in bytes.
        public var wireSize: Int
        /// Whether the message was compressed.
        public var isCompressed: Bool
        /// The number of its frames.
        public var frames: Int
        /// The recorded part of the message, from its beginning; `nil` if none was recorded.
        public var payload: [UInt8]?

        /// Creates a message.
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

        /// Whether the whole message was recorded.
        public var isWhole: Bool { payload.map { $0.count == size } ?? (size == 0) }
    }

    /// The statistics of compression.
    public struct Compression: Hashable, Sendable, Codable {
        /// The bytes of messages sent compressed, before compression.
        public var sentBytes: Int
        /// The bytes of messages sent compressed, on the wire.
        public var sentWireBytes: Int
        /// The bytes of messages received compressed, after decompression.
        public var receivedBytes: Int
        /// The bytes of messages received compressed, on the wire.
        public var receivedWireBytes: Int

        /// Creates statistics.
        public init(sentBytes: Int, sentWireBytes: Int, receivedBytes: Int, receivedWireBytes: Int) {
            self.sentBytes = sentBytes
            self.sentWireBytes = sentWireBytes
            self.receivedBytes = receivedBytes
            self.receivedWireBytes = receivedWireBytes
        }
    }

    /// How a WebSocket ended.
    public struct Ending: Hashable, Sendable {
        /// Who initiated the close.
        public enum Initiator: String, Hashable, Sendable, Codable {
            /// The observer.
            case local
            /// The observer's peer.
            case peer
            /// Both, with Close frames that crossed on the wire.
            case both
        }

        /// Who initiated the close.
        public var initiator: Initiator
        /// Whether the closing handshake was completed.
        public var isClean: Bool
        /// The close code (RFC 6455 §7.1.5).
        public var code: UInt16
        /// The reason in the Close frame.
        public var reason: String
        /// Why the end was not clean; `nil` if it was.
        public var failure: String?

        /// Creates an ending.
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
    /// Creates an event from an event of the library.
    ///
    /// - Parameters:
    ///   - event: The event.
    ///   - beginning: The instant at which the recording began.
    ///   - keepsPayloads: Whether to keep the payloads of the event.
    public init(_ event: LifecycleEvent, since beginning: MonotonicInstant, keepsPayloads: Bool) {
        func kept(_ bytes: [UInt8]) -> [UInt8]? { keepsPayloads ? bytes : nil }
        func frame(_ header: FrameHeader, _ bytes: [UInt8], isMasked: Bool) -> Frame {
            // The payloads of control frames belong to the protocol, not to the application.
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
            case .connecting(let address): .connecting(host: address.hostOrPath, port: address.port)
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
    /// Creates the head of a request.
    public init(_ request: HTTPRequest) {
        self.init(
            method: request.method.rawValue, target: request.path ?? "/", authority: request.authority,
            fields: request.headerFields.map { Field(name: $0.name.rawName, value: $0.value) })
    }

    /// Creates the head of a response.
    public init(_ response: HTTPResponse) {
        self.init(
            status: response.status.code, reason: response.status.reasonPhrase,
            fields: response.headerFields.map { Field(name: $0.name.rawName, value: $0.value) })
    }
}
