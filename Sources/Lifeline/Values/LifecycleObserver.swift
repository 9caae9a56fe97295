/// Receives the lifecycle events of connections as they happen.
///
/// It is called on the connections' event loops, so it must not block; do slow work elsewhere. If no observer is set,
/// observing costs a comparison with `nil`.
public protocol LifecycleObserver: Sendable {
    /// Receives an event.
    func observe(_ event: LifecycleEvent)

    /// The maximum number of bytes of a payload that events contain; 0 for none. Default:
    /// ``LifecycleEvent/defaultPayloadLimit``. It is read once, before the first connection.
    var payloadLimit: Int { get }
}

extension LifecycleObserver {
    public var payloadLimit: Int { LifecycleEvent.defaultPayloadLimit }
}
