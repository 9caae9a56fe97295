import Lifeline

/// Reads along with the frames of one direction (RFC 6455 §5), and takes no part: what breaks a rule is said, and ends the
/// reading, not the connection.
struct FrameFollower {
    /// The most bytes of a message that are decompressed, or kept.
    static let messageLimit = 16 << 20

    private let sender: WebSocketRole
    private let direction: TraceEvent.Direction
    private let payloadLimit: Int
    /// Decompresses; `nil` where nothing was agreed on, or it has failed.
    private var inflater: MessageInflater?
    /// Whether an extension was agreed on that gives reserved bits, and payloads, a meaning that is not known here.
    private let hasUnknownExtension: Bool
    private let allowsCompression: Bool

    private var header: [UInt8] = []
    private var frame: TraceEvent.Frame?
    private var remaining: UInt64 = 0
    private var key: [UInt8] = []
    private var maskOffset = 0
    private var message: TraceEvent.Message?
    /// Whether what the message holds is known.
    private var isReadable = true
    private var hasNotedMask = false
    /// Whether something has made the frames behind it unreadable.
    private(set) var hasStopped = false
    /// Bytes of compressed messages before and on the wire.
    private(set) var compressed = (plain: 0, wire: 0)

    /// A reader.
    ///
    /// - Parameters:
    ///   - sender: Who sends the frames.
    ///   - payloadLimit: The most bytes of a payload to keep.
    ///   - agreement: What was agreed on about compression.
    ///   - hasUnknownExtension: Whether another extension was agreed on.
    init(
        sender: WebSocketRole, payloadLimit: Int, agreement: PerMessageDeflate?, hasUnknownExtension: Bool
    ) {
        self.sender = sender
        direction = sender == .client ? .received : .sent
        self.payloadLimit = min(max(payloadLimit, 0), FrameFollower.messageLimit)
        self.hasUnknownExtension = hasUnknownExtension
        allowsCompression = agreement != nil
        inflater = agreement.flatMap {
            MessageInflater($0, sender: sender == .client ? .client : .server, limit: FrameFollower.messageLimit)
        }
    }

    /// Reads on.
    mutating func read(_ input: UnsafeRawBufferPointer, _ tell: (TraceEvent.Kind) -> Void) {
        var rest = input
        while !hasStopped, !rest.isEmpty {
            if frame == nil {
                header.append(rest[rest.startIndex])
                rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst())
                if header.count >= 2, header.count == FrameFollower.headerLength(header[1]) { begin(tell) }
            } else {
                let count = Int(min(remaining, UInt64(rest.count)))
                readPayload(UnsafeRawBufferPointer(rebasing: rest[..<count]), tell)
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
                remaining -= UInt64(count)
                if remaining == 0 { end(tell) }
            }
        }
    }

    private static func headerLength(_ second: UInt8) -> Int {
        let length = second & 0x7F
        return 2 + (length < 126 ? 0 : length == 126 ? 2 : 8) + (second & 0x80 != 0 ? 4 : 0)
    }

    // MARK: A frame's header

    private mutating func begin(_ tell: (TraceEvent.Kind) -> Void) {
        let bytes = header
        header = []
        let isMasked = bytes[1] & 0x80 != 0
        let lengthBytes = bytes[2..<(bytes.count - (isMasked ? 4 : 0))]
        let length = lengthBytes.isEmpty ? UInt64(bytes[1] & 0x7F) : lengthBytes.reduce(0) { $0 << 8 | UInt64($1) }
        key = isMasked ? Array(bytes.suffix(4)) : []
        maskOffset = 0
        var frame = TraceEvent.Frame(
            opcode: bytes[0] & 0x0F, isFinal: bytes[0] & 0x80 != 0, rsv1: bytes[0] & 0x40 != 0, isMasked: isMasked,
            length: Int(clamping: length))
        if let violation = violation(frame, reserved: bytes[0] & 0x70, length) {
            tell(.frame(direction, frame))
            stop("it breaks a rule, \(violation)", tell)
            return
        }
        if isMasked != (sender == .client), !hasNotedMask {
            hasNotedMask = true
            tell(.note("the \(sender.rawValue) \(isMasked ? "masks" : "does not mask") its frames (RFC 6455 §5.1)"))
        }
        if frame.meaning.isControl {
            frame.payload = []
        } else {
            if frame.meaning != .continuation {
                message = TraceEvent.Message(
                    isText: frame.meaning == .text, size: 0, wireSize: 0, isCompressed: frame.rsv1 && allowsCompression,
                    frames: 0, payload: payloadLimit > 0 ? [] : nil)
                isReadable = frame.rsv1 ? inflater != nil : true
                if hasUnknownExtension, bytes[0] & 0x70 != 0, !(bytes[0] & 0x70 == 0x40 && allowsCompression) {
                    isReadable = false
                }
            }
            frame.payload = isReadable && payloadLimit > 0 ? [] : nil
        }
        self.frame = frame
        remaining = length
        if length == 0 { end(tell) }
    }

    /// The rule that a header breaks, for which every peer must give the connection up.
    private func violation(_ frame: TraceEvent.Frame, reserved: UInt8, _ length: UInt64) -> String? {
        if length >> 63 != 0 { return "a length of more than 63 bits (RFC 6455 §5.2)" }
        if frame.meaning.isReserved { return "the reserved opcode \(frame.opcode) (RFC 6455 §5.2)" }
        if reserved & 0x40 != 0 {
            guard allowsCompression || hasUnknownExtension else { return "RSV1 without an extension (RFC 6455 §5.2)" }
        }
        if reserved & 0x30 != 0, !hasUnknownExtension { return "reserved bits (RFC 6455 §5.2)" }
        if frame.meaning.isControl {
            if !frame.isFinal { return "a control frame in fragments (RFC 6455 §5.5)" }
            if length > 125 { return "a control frame of \(length) bytes (RFC 6455 §5.5)" }
            return nil
        }
        if frame.meaning == .continuation {
            return message == nil ? "a fragment of no message (RFC 6455 §5.4)" : nil
        }
        return message == nil ? nil : "a message within a message (RFC 6455 §5.4)"
    }

    private mutating func stop(_ reason: String, _ tell: (TraceEvent.Kind) -> Void) {
        hasStopped = true
        inflater = nil
        frame = nil
        message = nil
        tell(.note("what the \(sender.rawValue) sends is relayed, and not read any more: \(reason)"))
    }

    // MARK: A frame's payload

    private mutating func readPayload(_ bytes: UnsafeRawBufferPointer, _ tell: (TraceEvent.Kind) -> Void) {
        guard let current = frame else { return }
        defer { maskOffset = (maskOffset + bytes.count) & 3 }
        if current.meaning.isControl {
            let part = unmasked(bytes)
            frame?.payload?.append(contentsOf: part)
            return
        }
        // Holds no second reference to the message, which would make each fragment copy its payload.
        guard isReadable, let isCompressed = message?.isCompressed else { return }
        if isCompressed {
            guard let inflater else { return }
            let failure = unmasked(bytes).withUnsafeBytes { plain -> MessageInflater.Failure? in
                do throws(MessageInflater.Failure) {
                    try inflater.read(plain) { self.take($0, count: $0.count) }
                    return nil
                } catch {
                    return error
                }
            }
            if let failure { giveUpInflating(failure, tell) }
        } else {
            // What is not kept need not be unmasked either.
            let wanted = max(0, payloadLimit - (message?.payload?.count ?? payloadLimit))
            let wantedOfFrame = max(0, payloadLimit - (current.payload?.count ?? payloadLimit))
            let part = unmasked(UnsafeRawBufferPointer(rebasing: bytes.prefix(max(wanted, wantedOfFrame))))
            part.withUnsafeBytes { take($0, count: bytes.count) }
        }
    }

    /// Keeps what there is room for of some of a payload, which has `count` bytes.
    private mutating func take(_ bytes: UnsafeRawBufferPointer, count: Int) {
        message?.size.addSaturating(count)
        let room = payloadLimit - (message?.payload?.count ?? payloadLimit)
        if room > 0 { message?.payload?.append(contentsOf: bytes.prefix(room)) }
        let roomOfFrame = payloadLimit - (frame?.payload?.count ?? payloadLimit)
        if roomOfFrame > 0 { frame?.payload?.append(contentsOf: bytes.prefix(roomOfFrame)) }
    }

    private func unmasked(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        guard !key.isEmpty, let start = bytes.baseAddress else { return Array(bytes) }
        let key = MaskingKey(
            key[maskOffset], key[(maskOffset + 1) & 3], key[(maskOffset + 2) & 3], key[(maskOffset + 3) & 3])
        return Array(unsafeUninitializedCapacity: bytes.count) { buffer, count in
            key.apply(
                from: start, to: UnsafeMutableRawPointer(buffer.baseAddress.unsafelyUnwrapped), count: bytes.count)
            count = bytes.count
        }
    }

    private mutating func giveUpInflating(_ failure: MessageInflater.Failure, _ tell: (TraceEvent.Kind) -> Void) {
        inflater = nil
        isReadable = false
        frame?.payload = nil
        let reason =
            switch failure {
            case .corrupt(let reason): "they are no DEFLATE (\(reason))"
            case .tooBig(let limit): "one has more than \(limit >> 20) MiB"
            }
        tell(.note("the \(sender.rawValue)'s compressed messages are not decompressed any more: \(reason)"))
    }

    // MARK: A frame's end

    private mutating func end(_ tell: (TraceEvent.Kind) -> Void) {
        guard let frame else { return }
        self.frame = nil
        tell(.frame(direction, frame))
        guard !frame.meaning.isControl, var ended = message else { return }
        ended.frames += 1
        ended.wireSize.addSaturating(frame.length)
        message = ended
        guard frame.isFinal else { return }
        if ended.isCompressed, isReadable, let inflater {
            do throws(MessageInflater.Failure) {
                try inflater.endMessage { self.take($0, count: $0.count) }
            } catch {
                giveUpInflating(error, tell)
            }
        }
        if isReadable, let message {
            if message.isCompressed {
                compressed.plain.addSaturating(message.size)
                compressed.wire.addSaturating(message.wireSize)
            }
            tell(.message(direction, message))
        }
        message = nil
        isReadable = true
    }
}
