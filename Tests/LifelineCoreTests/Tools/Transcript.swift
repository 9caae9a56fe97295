import LifelineCore
import Testing

/// Everything that one peer sends in the life of a connection, after the opening handshake, and what must come of it.
struct Transcript: Sendable, CustomTestStringConvertible {
    var name: String
    var frames: [WireFrame]
    /// The events that the frames give, each message as a whole.
    var events: [RecordedEvent]
    /// The code of the Close frame that this side sends, or `nil` where it sends none.
    var sentCode: UInt16?

    var testDescription: String { name }

    /// Texts, binary messages, fragments with control frames between them, and a closing handshake.
    static let rich = Transcript(
        name: "every kind of frame, then a clean close",
        frames: [
            .text("Hello-µ@ßöäüàá-UTF-8!!"), .binary((0..<130).map { UInt8($0) }), .text(""), .ping("first"),
            .text("one €", isFinal: false), .ping(""), .continuation("", isFinal: false),
            .continuation(Array("😀".utf8.prefix(2)), isFinal: false), .pong("unasked"),
            .continuation(Array("😀".utf8.suffix(2)), isFinal: true),
            .binary([0xFF], isFinal: false), .continuation([0xFE], isFinal: true),
            .ping(String(repeating: "p", count: 125)),
            .text(String(repeating: "κόσμε ", count: 12)), .close(4000, "bye, κόσμε"), .text("after Close"),
        ],
        events: [
            .text("Hello-µ@ßöäüàá-UTF-8!!"), .binary((0..<130).map { UInt8($0) }), .text(""), .ping("first"), .ping(""),
            .unsolicitedPong("unasked"), .text("one €😀"), .binary([0xFF, 0xFE]),
            .ping(String(repeating: "p", count: 125)), .text(String(repeating: "κόσμε ", count: 12)), .closed,
        ],
        sentCode: 4000)

    /// One for each kind of violation, behind something valid.
    static let invalid: [Transcript] = [
        failing("a reserved bit", WireFrame(opcode: 1, reserved: 4, payload: [0x61]), with: 1002),
        failing("a reserved opcode", WireFrame(opcode: 0xB, payload: [0x61]), with: 1002),
        failing("a fragmented Ping", WireFrame(opcode: 9, isFinal: false, payload: [0x61]), with: 1002),
        failing("a Ping that is too long", WireFrame(opcode: 9, payload: Array(repeating: 0, count: 126)), with: 1002),
        failing("a continuation of nothing", .continuation("x", isFinal: true), with: 1002),
        failing(
            "a length that is not minimal", WireFrame(opcode: 2, payload: [1, 2, 3], lengthFieldSize: 2), with: 1002),
        failing("a length past all limits", WireFrame(opcode: 2, payload: [], declaredLength: 1 << 40), with: 1009),
        failing("the highest bit of a length", WireFrame(opcode: 2, payload: [], declaredLength: 1 << 63), with: 1002),
        failing("text that is not UTF-8", .text(Array("κόσμε".utf8) + [0xED, 0xA0, 0x80, 0x61]), with: 1007),
        failing(
            "text that is not UTF-8, far in", .text(Array(repeating: 0x61, count: 70) + [0xC0, 0x61, 0x61]), with: 1007),
        failing("text that ends inside a character", .text([0xE2, 0x82]), with: 1007),
        failing("a Close frame of one byte", WireFrame(opcode: 8, payload: [3]), with: 1002),
        failing("a close code that must not be sent", .close(1005), with: 1002),
        failing("a close reason that is not UTF-8", WireFrame(opcode: 8, payload: [0x03, 0xE8, 0xFF]), with: 1007),
    ]

    static let all = [rich] + invalid

    private static func failing(_ name: String, _ frame: WireFrame, with code: UInt16) -> Transcript {
        Transcript(
            name: name,
            frames: [
                .text("valid"), .text("be", isFinal: false), .continuation("gun", isFinal: true), frame, .text("late"),
            ],
            events: [.text("valid"), .text("begun"), .closed], sentCode: code)
    }
}
