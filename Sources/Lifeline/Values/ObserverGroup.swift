import LifelineCore

/// Several observers as one. Each is told what it would be told alone: of payloads no more than it asked for.
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

    /// The observers as one; `nil` for none.
    static func of(_ members: [any LifecycleObserver]) -> (any LifecycleObserver)? {
        members.count > 1 ? ObserverGroup(members) : members.first
    }
}

extension LifecycleEvent {
    /// The event with so many bytes of a payload at most.
    fileprivate func cut(to limit: Int) -> LifecycleEvent {
        func event(_ kind: Kind) -> LifecycleEvent {
            LifecycleEvent(connectionID: connectionID, role: role, instant: instant, kind: kind)
        }
        switch kind {
        // A Close frame's code and reason, and what this side's control frames carry, are told whole to everybody.
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
