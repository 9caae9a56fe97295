import Lifeline
import Synchronization

/// How far the published messages have come: one connection publishes, and the server sends each message to all. Shared
/// by the loops.
///
/// A delivery is the arrival of a message on one connection. Deliveries are counted, not matched to messages: a server
/// sends each connection the messages in order, so a delivery is taken for one of the oldest message.
final class BroadcastProgress: Sendable {
    /// The number of open connections.
    private let subscribers = Atomic(0)
    /// The number of published messages.
    private let messages = Atomic(0)
    /// The number of deliveries of these messages.
    private let expected = Atomic(0)
    /// The number of deliveries that have arrived or never will.
    private let delivered = Atomic(0)
    /// The number of settled deliveries at which the publisher may send again.
    private let goal = Atomic(Int.max)

    /// The number of deliveries that have arrived or never will.
    var settled: Int { delivered.load(ordering: .acquiring) }

    /// The number of outstanding deliveries.
    var outstanding: Int { max(0, expected.load(ordering: .relaxed) - settled) }

    /// The number of open connections.
    var audience: Int { subscribers.load(ordering: .relaxed) }

    func subscriberOpened() {
        subscribers.wrappingAdd(1, ordering: .relaxed)
    }

    /// Settles the deliveries that a closed connection will never receive.
    ///
    /// - Parameter deliveries: The number of messages that it received.
    /// - Returns: Whether the publisher may send again.
    func subscriberClosed(after deliveries: Int) -> Bool {
        subscribers.wrappingSubtract(1, ordering: .relaxed)
        return settle(max(0, messages.load(ordering: .relaxed) - deliveries))
    }

    /// Settles deliveries.
    ///
    /// - Returns: Whether the publisher may send again.
    @inline(__always)
    func settle(_ count: Int = 1) -> Bool {
        delivered.wrappingAdd(count, ordering: .acquiringAndReleasing).newValue >= goal.load(ordering: .acquiring)
    }

    /// Notes that a message is about to be sent. Called on the publisher's loop.
    ///
    /// - Returns: The number of settled deliveries at which every connection has received it.
    func publish() -> Int {
        messages.wrappingAdd(1, ordering: .relaxed)
        return expected.wrappingAdd(audience, ordering: .relaxed).newValue
    }

    /// Sets the number of settled deliveries at which the publisher may send again; `nil` for never.
    func setGoal(_ deliveries: Int?) {
        goal.store(deliveries ?? .max, ordering: .releasing)
    }
}

/// The published messages that not every connection has received, oldest first. Confined to the publisher's loop.
struct PublishedMessages {
    private var messages: [(moment: UInt64, end: Int)] = []

    var count: Int { messages.count }

    /// The number of settled deliveries at which every connection has received the oldest message.
    var goal: Int? { messages.first?.end }

    /// Adds a message.
    ///
    /// - Parameters:
    ///   - moment: When it was sent, or due.
    ///   - end: The number of settled deliveries at which every connection has received it.
    mutating func append(_ moment: UInt64, until end: Int) {
        messages.append((moment, end))
    }

    /// Removes the messages that every connection has received.
    mutating func settle(_ deliveries: Int) {
        messages.removeFirst(messages.firstIndex { $0.end > deliveries } ?? messages.count)
    }

    /// Calls `note` with the number of outstanding deliveries of each message.
    func outstanding(after deliveries: Int, _ note: (_ moment: UInt64, _ count: Int) -> Void) {
        var settled = deliveries
        for message in messages where message.end > settled {
            note(message.moment, message.end.subtractingSaturating(settled))
            settled = message.end
        }
    }
}
