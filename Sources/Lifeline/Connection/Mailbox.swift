import LifelineLocks

/// Items that other threads leave for an event loop, in order. Any number of them wakes the loop once.
package final class Mailbox<Item: Sendable>: Sendable {
    /// What the sender of an item has to do.
    package enum Receipt: Sendable {
        /// Wake the loop.
        case mustWake
        /// Nothing: the loop has been woken already.
        case isAwake
        /// Handle the item itself: the mailbox is closed, and has not taken it.
        case isClosed
    }

    private struct State {
        var items: [Item] = []
        /// Whether the loop has been woken and has not taken the items since.
        var isAwake = false
        var isClosed = false
    }

    private let state = Lock(State())

    package init() {}

    /// Adds an item, from any thread.
    package func add(_ item: Item) -> Receipt {
        state.withLock { state in
            if state.isClosed { return .isClosed }
            state.items.append(item)
            defer { state.isAwake = true }
            return state.isAwake ? .isAwake : .mustWake
        }
    }

    /// Takes all items. The next one wakes the loop again.
    package func takeAll() -> [Item] {
        state.withLock { state in
            state.isAwake = false
            defer { state.items = [] }
            return state.items
        }
    }

    /// Takes all items, and takes no more.
    package func close() -> [Item] {
        state.withLock { $0.isClosed = true }
        return takeAll()
    }
}
