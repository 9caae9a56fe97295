package import LifelineCore
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Loops, and the sockets on them: what servers and clients need of an engine.
package protocol Engine: AnyObject, Sendable {
    /// What is said of it in the log.
    var name: String { get }

    /// All loops.
    var loops: [Loop] { get }

    /// The loop for the next connection that this side opens.
    func nextLoop() -> Loop

    /// Listens, and gives each connection that comes to `acceptor`.
    ///
    /// - Returns: The address with the port that was found, and the socket.
    func listen(
        at address: ServerAddress, _ acceptor: any ConnectionAcceptor, _ tls: TLSContext?
    ) async throws -> (ServerAddress, any ListeningSocket)

    /// Connects on one of the engine's loops, and reports to the requester.
    func connect(to target: ConnectTarget, on loop: Loop, for requester: any ConnectionRequester)

    /// Randomness for what is made before there is a connection.
    func makeRandom() -> RandomPool

    /// Ends the threads of an engine with loops of its own. Nothing may be open any more.
    func shutDown() async
}

extension Engine {
    package func makeRandom() -> RandomPool { .ofTheSystem() }
}

/// A socket at which an engine listens.
package protocol ListeningSocket: Sendable {
    /// Stops listening.
    func close() async
}

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
        if let name = Engines.environmentChoice, let choice = WebSocketEngine(name: name), choice != .automatic {
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

/// Finds the engine for what is asked.
enum Engines {
    /// - Parameter loopCount: How many loops of its own the engine is to have; `nil` for the process's shared ones.
    static func engine(
        _ choice: WebSocketEngine, loopCount: Int?, usesTLS: Bool
    ) throws(WebSocketError) -> any Engine {
        switch choice.kind {
        case .nio:
            return nio(loopCount)
        case .automatic:
            guard !usesTLS else { return nio(loopCount) }
            if let name = environmentChoice {
                guard let choice = WebSocketEngine(name: name) else {
                    throw WebSocketError(
                        .invalidConfiguration,
                        "LIFELINE_ENGINE is \(name.debugDescription), and must be nio, epoll or io_uring")
                }
                if choice != .automatic { return try engine(choice, loopCount: loopCount, usesTLS: false) }
            }
            #if os(Linux)
            if let engine = try? linux(nil, loopCount) { return engine }
            #endif
            return nio(loopCount)
        case .given(let given):
            guard !usesTLS else { throw withoutTLS(choice) }
            return given.engine
        case .epoll, .uring:
            guard !usesTLS else { throw withoutTLS(choice) }
            #if os(Linux)
            do {
                return try linux(choice.kind == .epoll ? .epoll : .uring, loopCount)
            } catch {
                throw WebSocketError(
                    .invalidConfiguration,
                    "the engine \(choice) is not to be had here: \(NetworkErrorText.describe(error)) (engine)",
                    underlyingError: error)
            }
            #else
            throw WebSocketError(
                .invalidConfiguration, "the engine \(choice) is Linux's; use automatic or nio (engine)")
            #endif
        }
    }

    private static func withoutTLS(_ choice: WebSocketEngine) -> WebSocketError {
        WebSocketError(.invalidConfiguration, "the engine \(choice) has no TLS; use automatic or nio (engine)")
    }

    static let environmentChoice = getenv("LIFELINE_ENGINE").map { String(cString: $0) }

    private static func nio(_ loopCount: Int?) -> any Engine {
        loopCount.map { NIOEngine(loopCount: $0) } ?? .shared
    }

    #if os(Linux)
    private static func linux(_ poller: LinuxEngine.Poller?, _ loopCount: Int?) throws -> any Engine {
        if let loopCount { return try LinuxEngine(poller, loopCount: loopCount) }
        return try LinuxEngine.shared(poller)
    }
    #endif

    /// Numbers connections within the process.
    private static let lastConnectionID = Atomic<UInt64>(0)

    static func nextConnectionID() -> UInt64 {
        lastConnectionID.wrappingAdd(1, ordering: .relaxed).newValue
    }
}
