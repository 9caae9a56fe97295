#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Makes or finds the engine for a configuration.
enum EngineFactory {
    /// - Parameter loopCount: The number of loops of the engine's own; `nil` for the loops that the process shares.
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
                        "LIFELINE_ENGINE is \(name.debugDescription); it must be automatic, nio, epoll or io_uring")
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
    private static func linux(_ poller: LinuxEngine.Poller?, _ loopCount: Int?) throws -> any Engine {
        if let loopCount { return try LinuxEngine(poller, loopCount: loopCount) }
        return try LinuxEngine.shared(poller)
    }
    #endif
}
