import ArgumentParser
import Lifeline

/// How the command ends; the root command's help explains each.
enum ExitStatus {
    static let success = ExitCode.success
    static let stepMissing = ExitCode(1)
    static let different = ExitCode(1)
    static let networkFailure = ExitCode(2)
    static let handshakeRefused = ExitCode(3)
    static let abnormalClose = ExitCode(4)
    static let unanswered = ExitCode(5)
    /// The one that ArgumentParser uses too (`EX_USAGE` of sysexits.h).
    static let usage = ExitCode(64)
    /// `EX_DATAERR` of sysexits.h.
    static let inputRefused = ExitCode(65)
    /// `EX_IOERR` of sysexits.h.
    static let outputFailed = ExitCode(74)
    static let interrupted = ExitCode(Interruption.status)

    /// The status after an error of the library's.
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
