import Lifeline
import Synchronization

/// How far the messages have come that one connection publishes and the server sends to all; shared by the loops.
///
/// A delivery is a message's arrival on one connection. They are counted, not told apart: a server sends each connection the
/// messages in their order, and the oldest is taken to be the one that has come everywhere.
final class Publication: Sendable {
    /// The connections that are open.
    private let subscribers = Atomic(0)
    /// The messages that have been published.
    private let messages = Atomic(0)
    /// The deliveries that there are to be of them.
    private let expected = Atomic(0)
    /// The deliveries that have been, or will never be.
    private let delivered = Atomic(0)
    /// With how many there is room for the next message.
    private let goal = Atomic(Int.max)

    /// How many deliveries have been, or will never be.
    var settled: Int { delivered.load(ordering: .acquiring) }

    /// How many deliveries are outstanding.
    var outstanding: Int { max(0, expected.load(ordering: .relaxed) - settled) }

    /// How many connections are open.
    var audience: Int { subscribers.load(ordering: .relaxed) }

    func subscriberOpened() {
        subscribers.wrappingAdd(1, ordering: .relaxed)
    }

    /// Counts what will never be delivered to a connection that has ended.
    ///
    /// - Parameter deliveries: How many messages have come on it.
    /// - Returns: Whether there may be room for another message.
    func subscriberClosed(after deliveries: Int) -> Bool {
        subscribers.wrappingSubtract(1, ordering: .relaxed)
        return settle(max(0, messages.load(ordering: .relaxed) - deliveries))
    }

    /// Counts deliveries.
    ///
    /// - Returns: Whether there may be room for another message.
    @inline(__always)
    func settle(_ count: Int = 1) -> Bool {
        delivered.wrappingAdd(count, ordering: .acquiringAndReleasing).newValue >= goal.load(ordering: .acquiring)
    }

    /// Notes that a message is about to leave; on the publisher's loop.
    ///
    /// - Returns: With how many deliveries it has come everywhere.
    func publish() -> Int {
        messages.wrappingAdd(1, ordering: .relaxed)
        return expected.wrappingAdd(audience, ordering: .relaxed).newValue
    }

    /// Says with how many deliveries there is room for the next message; never, where there is no number.
    func setGoal(_ deliveries: Int?) {
        goal.store(deliveries ?? .max, ordering: .releasing)
    }
}

/// What the publisher has sent and has not come everywhere, the oldest first; confined to its loop.
struct PublishedMessages {
    private var messages: [(moment: UInt64, end: Int)] = []

    var count: Int { messages.count }

    /// With how many deliveries the oldest has come everywhere.
    var goal: Int? { messages.first?.end }

    /// Adds a message.
    ///
    /// - Parameters:
    ///   - moment: When it was sent, or due.
    ///   - end: With how many deliveries it has come everywhere.
    mutating func append(_ moment: UInt64, until end: Int) {
        messages.append((moment, end))
    }

    /// Removes those that have come everywhere.
    mutating func settle(_ deliveries: Int) {
        messages.removeFirst(messages.firstIndex { $0.end > deliveries } ?? messages.count)
    }

    /// Counts the deliveries that are outstanding, by message.
    func outstanding(after deliveries: Int, _ note: (_ moment: UInt64, _ count: Int) -> Void) {
        var settled = deliveries
        for message in messages where message.end > settled {
            note(message.moment, message.end.subtractingSaturating(settled))
            settled = message.end
        }
    }
}
