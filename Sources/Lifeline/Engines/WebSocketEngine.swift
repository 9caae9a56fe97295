/// Which engine moves the bytes between sockets and connections.
public struct WebSocketEngine: Hashable, Sendable, CustomStringConvertible {
    enum Kind: Hashable, Sendable {
        case automatic
        case nio
        case epoll
        case uring
        case given(GivenEngine)
    }

    /// An engine that exists already.
    struct GivenEngine: Hashable, Sendable {
        let engine: any Engine

        static func == (left: GivenEngine, right: GivenEngine) -> Bool { left.engine === right.engine }

        func hash(into hasher: inout Hasher) {
            hasher.combine(ObjectIdentifier(engine))
        }
    }

    let kind: Kind

    private init(kind: Kind) {
        self.kind = kind
    }

    /// The fastest that does what is asked: on Linux, without TLS, ``ioUring`` where the kernel grants it and ``epoll``
    /// otherwise; ``nio`` for everything else.
    ///
    /// The environment variable `LIFELINE_ENGINE` (`nio`, `epoll` or `io_uring`), read once, takes the place of the first
    /// choice: whoever runs a program can do without an engine that its author did not rule out.
    public static let automatic = WebSocketEngine(kind: .automatic)
    /// SwiftNIO: every platform, with and without TLS.
    public static let nio = WebSocketEngine(kind: .nio)
    /// Lifeline's own loops over epoll: Linux, without TLS.
    public static let epoll = WebSocketEngine(kind: .epoll)
    /// Lifeline's own loops over io_uring: Linux from 6.12 on, where the system allows it, without TLS.
    public static let ioUring = WebSocketEngine(kind: .uring)

    /// An engine that exists already and is nobody's but the caller's: a simulated one. It is to be used without TLS.
    package static func given(_ engine: any Engine) -> WebSocketEngine {
        WebSocketEngine(kind: .given(GivenEngine(engine: engine)))
    }

    /// The engine with a name: `automatic`, `nio`, `epoll` or `io_uring`; `nil` for any other.
    public init?(name: String) {
        guard let engine = WebSocketEngine.all.first(where: { $0.description == name }) else { return nil }
        self = engine
    }

    /// What ``automatic`` comes to on this system at this moment; any other is itself.
    ///
    /// - Parameter usesTLS: Whether TLS is asked for.
    public func resolved(usesTLS: Bool = false) -> WebSocketEngine {
        guard kind == .automatic else { return self }
        if usesTLS { return .nio }
        if let name = EngineFactory.environmentChoice, let choice = WebSocketEngine(name: name), choice != .automatic {
            return choice
        }
        #if os(Linux)
        return LinuxEngine.grantsUring ? .ioUring : .epoll
        #else
        return .nio
        #endif
    }

    /// All of them, whether or not this system has them.
    public static let all: [WebSocketEngine] = [.automatic, .nio, .epoll, .ioUring]

    /// The word for it that ``init(name:)`` understands.
    public var description: String {
        switch kind {
        case .automatic: "automatic"
        case .nio: "nio"
        case .epoll: "epoll"
        case .uring: "io_uring"
        case .given(let given): given.engine.name
        }
    }
}
