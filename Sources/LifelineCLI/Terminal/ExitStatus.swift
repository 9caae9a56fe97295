import ArgumentParser
import Lifeline

/// The exit statuses. The help of the root command explains them.
enum ExitStatus {
    static let success = ExitCode.success
    static let stepMissing = ExitCode(1)
    static let different = ExitCode(1)
    static let networkFailure = ExitCode(2)
    static let handshakeRefused = ExitCode(3)
    static let abnormalClose = ExitCode(4)
    static let unanswered = ExitCode(5)
    /// The status that ArgumentParser uses too (`EX_USAGE` of sysexits.h).
    static let usage = ExitCode(64)
    /// `EX_DATAERR` of sysexits.h.
    static let inputRefused = ExitCode(65)
    /// `EX_IOERR` of sysexits.h.
    static let outputFailed = ExitCode(74)
    static let interrupted = ExitCode(Interruption.status)

    /// Returns the status for an error of the library.
    static func of(_ error: WebSocketError) -> ExitCode {
        switch error.code {
        case .invalidRequest, .invalidConfiguration, .invalidCloseFrame: usage
        case .handshakeRefused, .handshakeFailed: handshakeRefused
        case .closed: abnormalClose
        case .cancelled: interrupted
        default: networkFailure
        }
    }
}
