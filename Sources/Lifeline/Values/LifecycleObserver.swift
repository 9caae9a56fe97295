/// Is told what happens to connections, as it happens.
///
/// It is called on the connections' event loops: it must not block, and what takes time belongs elsewhere. Where no
/// observer is set, observing costs a comparison with `nil`.
public protocol LifecycleObserver: Sendable {
    /// Something happened.
    func observe(_ event: LifecycleEvent)

    /// The most bytes of a payload that it wants to see, and sees; 0 for none. Default:
    /// ``LifecycleEvent/defaultPayloadLimit``. It is asked once, before the first connection.
    var payloadLimit: Int { get }
}

extension LifecycleObserver {
    public var payloadLimit: Int { LifecycleEvent.defaultPayloadLimit }
}
