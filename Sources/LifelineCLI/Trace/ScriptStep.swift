import Lifeline
import LifelineTrace

/// A line of a script: what the client does next.
enum ScriptStep: Equatable, Sendable {
    case send(WebSocketMessage)
    case ping
    case receive(Int)
    case wait(Duration)
    case close(CloseCode, String)

    /// A line that says nothing that can be done.
    struct Malformed: Error, CustomStringConvertible {
        let description: String
    }

    /// Reads a file.
    static func read(_ path: String) throws(Malformed) -> [ScriptStep] {
        switch System.readFile(path) {
        case .failure(let error): throw Malformed(description: "\(path): \(error.reason)")
        case .success(let bytes):
            guard let text = FileText.text(bytes) else {
                throw Malformed(description: "\(path): it is not UTF-8")
            }
            return try parse(text, path)
        }
    }

    /// Reads a script's text; empty lines, and those that begin with #, say nothing.
    static func parse(_ text: String, _ path: String) throws(Malformed) -> [ScriptStep] {
        var steps: [ScriptStep] = []
        for (index, line) in FileText.lines(text).enumerated() {
            guard !line.allSatisfy(\.isWhitespace), line.first != "#" else { continue }
            guard let step = step(line) else {
                throw Malformed(
                    description:
                        "\(path), line \(index + 1): \(String(line).quoted()) is none of text, binary, ping, receive, "
                        + "wait and close with what belongs to it" + limits(line))
            }
            steps.append(step)
        }
        return steps
    }

    /// What the numbers of a line may be, in words; empty where it has none.
    private static func limits(_ line: Substring) -> String {
        switch line.prefix(while: { $0 != " " }) {
        case "receive": "; receive takes a whole number from 1 on"
        case "wait": "; wait takes " + TimeSpan.allowed
        case "close": "; close takes a code from 1000 to 4999 that may be sent, and a reason of up to 123 bytes"
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
