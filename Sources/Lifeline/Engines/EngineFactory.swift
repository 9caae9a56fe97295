import Logging

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Makes or finds the engine for a configuration.
enum EngineFactory {
    /// - Parameters:
    ///   - loopCount: The number of loops of the engine's own; `nil` for the loops that the process shares.
    ///   - logger: Logs why an engine that would be faster cannot start.
    static func engine(
        _ choice: WebSocketEngine, loopCount: Int?, usesTLS: Bool, _ logger: Logger
    ) throws(WebSocketError) -> any Engine {
        switch choice.kind {
        case .nio:
            return nio(loopCount)
        case .automatic:
            guard !usesTLS else { return nio(loopCount) }
            let choice = try environmentChoice.map { name throws(WebSocketError) in try self.choice(named: name) }
            if let choice, choice != .automatic {
                return try engine(choice, loopCount: loopCount, usesTLS: false, logger)
            }
            #if os(Linux)
            return firstThatStarts(
                [
                    Candidate(name: "io_uring", isOftenDenied: true) { try linux(.uring, loopCount) },
                    Candidate(name: "epoll", isOftenDenied: false) { try linux(.epoll, loopCount) },
                ], logger) ?? nio(loopCount)
            #else
            return nio(loopCount)
            #endif
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
                    "the engine \(choice) is not available on this system: \(NetworkErrorText.describe(error)) (engine)",
                    underlyingError: error)
            }
            #else
            throw WebSocketError(
                .invalidConfiguration,
                "the engine \(choice) is available on Linux only; use automatic or nio (engine)")
            #endif
        }
    }

    /// An engine to try.
    struct Candidate {
        let name: String
        /// Whether many systems do not permit the engine, such as containers, so that its absence is not worth a warning.
        let isOftenDenied: Bool
        let start: () throws -> any Engine
    }

    /// Returns the first engine that starts, and logs why those before it do not; `nil` if none does.
    static func firstThatStarts(_ candidates: [Candidate], _ logger: Logger) -> (any Engine)? {
        for candidate in candidates {
            do {
                return try candidate.start()
            } catch {
                logger.log(
                    level: candidate.isOftenDenied ? .debug : .warning,
                    """
                    the engine \(candidate.name) cannot start, so a slower one is used; check the limit of open files \
                    (ulimit -n) and what the system permits, or set LIFELINE_ENGINE to avoid this engine
                    """,
                    metadata: ["error": "\(NetworkErrorText.describe(error))"])
            }
        }
        return nil
    }

    /// Returns the engine that `LIFELINE_ENGINE` names.
    static func choice(named name: String) throws(WebSocketError) -> WebSocketEngine {
        guard let choice = WebSocketEngine(name: name) else {
            let names = WebSocketEngine.all.map(\.description)
            throw WebSocketError(
                .invalidConfiguration,
                """
                the environment variable LIFELINE_ENGINE is \(name.debugDescription); it must be \
                \(names.dropLast().joined(separator: ", ")) or \(names.last ?? "")
                """)
        }
        return choice
    }

    private static func withoutTLS(_ choice: WebSocketEngine) -> WebSocketError {
        WebSocketError(
            .invalidConfiguration, "the engine \(choice) does not support TLS; use automatic or nio (engine)")
    }

    /// The value of `LIFELINE_ENGINE`, if it is set.
    static let environmentChoice = getenv("LIFELINE_ENGINE").map { String(cString: $0) }

    private static func nio(_ loopCount: Int?) -> any Engine {
        loopCount.map { NIOEngine(loopCount: $0) } ?? .shared
    }

    #if os(Linux)
    private static func linux(_ poller: LinuxEngine.Poller, _ loopCount: Int?) throws -> any Engine {
        if let loopCount { return try LinuxEngine(poller, loopCount: loopCount) }
        return try LinuxEngine.shared(poller)
    }
    #endif
}
