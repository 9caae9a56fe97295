import ArgumentParser
import Lifeline

/// An error: a file that an option names cannot be used.
struct InputFailure: Error, CustomStringConvertible {
    /// The option, the file and the reason.
    let description: String
    let status: ExitCode

    /// Checks that a file can be opened and read.
    ///
    /// - Parameter option: The option that names the file.
    static func checkReadable(_ path: String, _ option: String) throws(InputFailure) {
        guard case .failure(let error) = System.readFile(path), !error.isTooLong else { return }
        throw InputFailure(
            description: "\(option): \(path) could not be read: \(error.reason)",
            status: ExitStatus.inputMissing)
    }

    /// Sets up TLS with files that can be read, so that an error is one of their content.
    ///
    /// - Parameters:
    ///   - options: The options that name the files, for the message.
    ///   - needs: What the files must contain, for the message.
    static func checkTLS(
        _ options: String, _ needs: String, _ body: () throws(WebSocketError) -> Void
    ) throws(InputFailure) {
        #if TLS
        do throws(WebSocketError) {
            try body()
        } catch {
            throw InputFailure(
                description: "\(options): \(error.message); \(needs)", status: ExitStatus.inputRefused)
        }
        #endif
    }
}
