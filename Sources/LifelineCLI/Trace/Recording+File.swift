import LifelineTrace

extension Recording {
    /// A file that is no recording, and why.
    struct Unreadable: Error, CustomStringConvertible {
        let description: String
    }

    /// Reads a recording, or the WebSockets of an HTTP Archive.
    ///
    /// - Parameter file: Its path; `-` for standard input.
    static func read(_ file: String) throws(Unreadable) -> Recording {
        let bytes: [UInt8]
        switch System.readFile(file) {
        case .success(let read): bytes = read
        case .failure(let error): throw Unreadable(description: error.reason)
        }
        let valid = FileText.text(bytes)
        let text = valid ?? FileText.repairedText(bytes)
        // A recording's first line is an object of its own; an archive is one object in all.
        let firstLine = String(Substring(text.utf8.prefix { $0 != UInt8(ascii: "\n") }))
        do {
            let isArchive = !firstLine.contains("\"lifelineRecording\"") && text.contains("\"log\"")
            var recording = isArchive ? try HAR.read(text) : try Recording(text)
            if valid == nil {
                // In what part of it cannot be told.
                recording.omissions.insert(
                    Omission(
                        connection: nil, reason: "it is not all UTF-8; U+FFFD stands for what is not", isMessage: true),
                    at: 0)
            }
            return recording
        } catch {
            throw Unreadable(description: "\(error)")
        }
    }
}
