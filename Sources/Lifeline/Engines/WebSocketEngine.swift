/// The engine that moves bytes between sockets and connections.
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

    /// The fastest engine that supports the configuration: on Linux without TLS ``ioUring`` if the kernel permits it and
    /// otherwise ``epoll``; in all other cases ``nio``.
    ///
    /// The environment variable `LIFELINE_ENGINE` (`nio`, `epoll` or `io_uring`) overrides this choice on Linux without TLS, so
    /// that whoever runs a program can avoid an engine. The variable is read once.
    public static let automatic = WebSocketEngine(kind: .automatic)
    /// SwiftNIO: all platforms, with and without TLS.
    public static let nio = WebSocketEngine(kind: .nio)
    /// Lifeline's own loops with epoll: Linux, without TLS.
    public static let epoll = WebSocketEngine(kind: .epoll)
    /// Lifeline's own loops with io_uring: Linux 6.12 or later if the system permits it, without TLS.
    public static let ioUring = WebSocketEngine(kind: .uring)

    /// An existing engine that belongs to the caller, such as a simulated one. It does not support TLS.
    package static func given(_ engine: any Engine) -> WebSocketEngine {
        WebSocketEngine(kind: .given(GivenEngine(engine: engine)))
    }

    /// Makes the engine with a name: `automatic`, `nio`, `epoll` or `io_uring`. Returns `nil` for any other name.
    public init?(name: String) {
        guard let engine = WebSocketEngine.all.first(where: { $0.description == name }) else { return nil }
        self = engine
    }

    /// The engine that ``automatic`` selects on this system at the moment. For any other engine, that engine itself.
    ///
    /// - Parameter usesTLS: Whether the engine must support TLS.
    public func resolved(usesTLS: Bool = false) -> WebSocketEngine {
        guard kind == .automatic else { return self }
        if usesTLS { return .nio }
        if let name = EngineFactory.environmentChoice, let choice = WebSocketEngine(name: name), choice != .automatic {
            return choice
        }
        #if os(Linux)
        return LinuxEngine.permitsUring ? .ioUring : .epoll
        #else
        return .nio
        #endif
    }

    /// All engines, including those that are not available on this system.
    public static let all: [WebSocketEngine] = [.automatic, .nio, .epoll, .ioUring]

    /// The name that ``init(name:)`` accepts.
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
