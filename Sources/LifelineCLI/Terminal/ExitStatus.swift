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
    /// The input could be read, and its content is wrong (`EX_DATAERR` of sysexits.h).
    static let inputRefused = ExitCode(65)
    /// An input file could not be read (`EX_NOINPUT` of sysexits.h).
    static let inputMissing = ExitCode(66)
    /// An output could not be written (`EX_IOERR` of sysexits.h).
    static let outputFailed = ExitCode(74)
    /// 130 after SIGINT (Ctrl-C), 143 after SIGTERM.
    static var interrupted: ExitCode { ExitCode(Interruption.status) }

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
