import LifelineCore

/// Combines several observers into one. Each receives the events that it would receive alone, with at most its own
/// `payloadLimit` of payloads.
struct ObserverGroup: LifecycleObserver {
    private struct Member {
        let observer: any LifecycleObserver
        let payloadLimit: Int
    }

    private let members: [Member]
    let payloadLimit: Int

    init(_ observers: [any LifecycleObserver]) {
        members = observers.map { Member(observer: $0, payloadLimit: max(0, $0.payloadLimit)) }
        payloadLimit = members.map(\.payloadLimit).max() ?? 0
    }

    func observe(_ event: LifecycleEvent) {
        for member in members {
            member.observer.observe(member.payloadLimit < payloadLimit ? event.cut(to: member.payloadLimit) : event)
        }
    }

    /// Returns the observers as one; `nil` if there are none.
    static func of(_ members: [any LifecycleObserver]) -> (any LifecycleObserver)? {
        members.count > 1 ? ObserverGroup(members) : members.first
    }
}

extension LifecycleEvent {
    /// Returns the event with at most `limit` bytes of a payload.
    fileprivate func cut(to limit: Int) -> LifecycleEvent {
        func event(_ kind: Kind) -> LifecycleEvent {
            LifecycleEvent(connectionID: connectionID, role: role, instant: instant, kind: kind)
        }
        switch kind {
        // Every observer receives the whole payload of a received Close frame and of control frames that we send.
        case .frameReceived(let header, let preview) where header.opcode != .close && preview.count > limit:
            return event(.frameReceived(header, preview: Array(preview.prefix(limit))))
        case .frameSent(let header, let preview) where !header.opcode.isControl && preview.count > limit:
            return event(.frameSent(header, preview: Array(preview.prefix(limit))))
        case .messageSent(var summary) where summary.payload.count > limit:
            summary.payload = Array(summary.payload.prefix(limit))
            return event(.messageSent(summary))
        case .messageReceived(var summary) where summary.payload.count > limit:
            summary.payload = Array(summary.payload.prefix(limit))
            return event(.messageReceived(summary))
        default: return self
        }
    }
}
