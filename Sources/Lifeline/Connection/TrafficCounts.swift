import LifelineCore

/// The messages and control frames that the connections of a route have received and sent on one loop, since the metrics were
/// given them last.
struct TrafficCounts {
    /// Messages, or control frames, of one opcode.
    struct Count {
        var messages = 0
        /// The bytes of their payloads.
        var bytes = 0
    }

    /// What went in one direction.
    struct Direction {
        var text = Count()
        var binary = Count()
        var ping = Count()
        var pong = Count()
        var close = Count()

        /// Adds a message, or a part of one.
        @inline(__always)
        mutating func add(_ kind: MessageKind, _ size: Int, isLast: Bool) {
            let messages = isLast ? 1 : 0
            if kind == .text {
                text.messages &+= messages
                text.bytes &+= size
            } else {
                binary.messages &+= messages
                binary.bytes &+= size
            }
        }

        /// Adds a control frame.
        mutating func add(_ opcode: Opcode, _ size: Int) {
            switch opcode {
            case .ping: ping.add(size)
            case .pong: pong.add(size)
            default: close.add(size)
            }
        }

        /// The counts in the order of ``opcodes``.
        var all: [Count] { [text, binary, ping, pong, close] }

        /// The names of the opcodes.
        static let opcodes = ["text", "binary", "ping", "pong", "close"]
    }

    var received = Direction()
    var sent = Direction()
    /// Whether the counts are going to be handed to the metrics within a second.
    var handOverIsScheduled = false
    /// What hands the counts to the metrics. It owns this memory.
    unowned(unsafe) let owner: any TrafficOwner

    /// Has the counts handed to the metrics within a second.
    @inline(__always)
    func hasChanged() {
        if !handOverIsScheduled { owner.scheduleHandOver() }
    }
}

extension TrafficCounts.Count {
    fileprivate mutating func add(_ size: Int) {
        messages &+= 1
        bytes &+= size
    }
}
