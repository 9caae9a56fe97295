import ArgumentParser
import LifelineTrace

extension Recording {
    /// An error: why a file cannot be read as a recording.
    struct Unreadable: Error, CustomStringConvertible {
        let description: String
        /// Whether the file could not be read, so that its content is unknown.
        var isMissing = false

        /// The exit status.
        var status: ExitCode { isMissing ? ExitStatus.inputMissing : ExitStatus.inputRefused }
    }

    /// Reads a recording, or the WebSockets of an HTTP Archive.
    ///
    /// - Parameter file: Its path, or `-` for standard input.
    static func read(_ file: String) throws(Unreadable) -> Recording {
        let bytes: [UInt8]
        switch System.readFile(file) {
        case .success(let read): bytes = read
        case .failure(let error):
            throw Unreadable(description: "it could not be read: \(error.reason)", isMissing: !error.isTooLong)
        }
        let valid = FileText.text(bytes)
        let text = valid ?? FileText.repairedText(bytes)
        // The first line of a recording is an object. An archive is one object as a whole.
        let firstLine = String(Substring(text.utf8.prefix { $0 != UInt8(ascii: "\n") }))
        do {
            let isArchive = !firstLine.contains("\"lifelineRecording\"") && text.contains("\"log\"")
            var recording = isArchive ? try HAR.read(text) : try Recording(text)
            if valid == nil {
                // It is not known which connections are affected.
                recording.omissions.insert(
                    Omission(
                        connection: nil, reason: "it is not valid UTF-8; invalid bytes are shown as U+FFFD",
                        isMessage: true),
                    at: 0)
            }
            return recording
        } catch {
            throw Unreadable(description: "\(error)")
        }
    }
}
