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
        let text = String(decoding: bytes, as: UTF8.self)
        // A recording's first line is an object of its own; an archive is one object in all.
        let firstLine = text.prefix { $0 != "\n" }
        do {
            if !firstLine.contains("\"lifelineRecording\""), text.contains("\"log\"") { return try HAR.read(text) }
            return try Recording(text)
        } catch {
            throw Unreadable(description: "\(error)")
        }
    }
}
