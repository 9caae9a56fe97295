import Lifeline
import LifelineTrace

/// A step of a script: one line.
enum ScriptStep: Equatable, Sendable {
    case send(WebSocketMessage)
    case ping
    case receive(Int)
    case wait(Duration)
    case close(CloseCode, String)

    /// An error: which line cannot be understood, and why.
    struct Malformed: Error, CustomStringConvertible {
        let description: String
        /// Whether the file could not be read, so that its content is unknown.
        var isMissing = false
    }

    /// Reads a file.
    static func read(_ path: String) throws(Malformed) -> [ScriptStep] {
        switch System.readFile(path) {
        case .failure(let error):
            throw Malformed(
                description: "--script: \(path) could not be read: \(error.reason)", isMissing: !error.isTooLong)
        case .success(let bytes):
            guard let text = FileText.text(bytes) else {
                throw Malformed(description: "\(path): the file is not UTF-8")
            }
            return try parse(text, path)
        }
    }

    /// Reads the text of a script. Empty lines and lines that begin with # are skipped.
    static func parse(_ text: String, _ path: String) throws(Malformed) -> [ScriptStep] {
        var steps: [ScriptStep] = []
        for (index, line) in FileText.lines(text).enumerated() {
            guard !line.allSatisfy(\.isWhitespace), line.first != "#" else { continue }
            guard let step = step(line) else {
                throw Malformed(
                    description:
                        "\(path), line \(index + 1): \(String(line).quoted()) is not a step; the steps are text, binary, ping, "
                        + "receive, wait and close (lifeline trace --help)" + limits(line))
            }
            steps.append(step)
        }
        return steps
    }

    /// The allowed values of the line's step, or an empty string for a step without any.
    private static func limits(_ line: Substring) -> String {
        switch line.prefix(while: { $0 != " " }) {
        case "receive": "; receive takes a whole number from 1 on"
        case "wait": "; wait takes " + TimeSpan.allowed
        case "close":
            "; close takes a code from 1000 to 4999 that a Close frame may have, and a reason of up to 123 bytes"
        default: ""
        }
    }

    private static func step(_ line: Substring) -> ScriptStep? {
        let halves = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
        let rest = halves.count > 1 ? String(halves[1]) : ""
        switch halves[0] {
        case "text": return .send(.text(rest))
        case "binary": return Hexadecimal.bytes(Array(rest.utf8)).map { .send(.binary($0)) }
        case "ping": return rest.isEmpty ? .ping : nil
        case "receive":
            guard !rest.isEmpty else { return .receive(1) }
            return Int(rest).flatMap { $0 > 0 ? .receive($0) : nil }
        case "wait": return TimeSpan(argument: rest).map { .wait($0.duration) }
        case "close":
            let words = rest.split(separator: " ", maxSplits: 1)
            guard let code = words.first else { return .close(.normalClosure, "") }
            guard let number = UInt16(code) else { return nil }
            let reason = words.count > 1 ? String(words[1]) : ""
            guard (try? CloseFrame(code: CloseCode(rawValue: number), reason: reason)) != nil else { return nil }
            return .close(CloseCode(rawValue: number), reason)
        default: return nil
        }
    }
}
