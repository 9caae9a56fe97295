import LifelineTrace

/// A JSON object on one line, with its members in the order in which they were added.
///
/// `JSONEncoder` does not keep that order, and does not escape all control characters. Escaped, a line can be shown on
/// a terminal.
struct JSONObject {
    private var text = "{"

    /// Adds a string.
    mutating func add(_ name: String, _ value: String) {
        begin(name)
        text += JSONObject.quoted(value)
    }

    /// Adds a string or `null`.
    mutating func add(_ name: String, _ value: String?) {
        guard let value else {
            begin(name)
            text += "null"
            return
        }
        add(name, value)
    }

    /// Adds a number.
    mutating func add(_ name: String, _ value: Int) {
        begin(name)
        text += String(value)
    }

    /// Adds a number.
    mutating func add(_ name: String, _ value: Double) {
        begin(name)
        text += value.isFinite ? "\(value)" : "null"
    }

    /// Adds a Boolean.
    mutating func add(_ name: String, _ value: Bool) {
        begin(name)
        text += value ? "true" : "false"
    }

    /// The object as a line.
    var line: String { text + "}\n" }

    private mutating func begin(_ name: String) {
        if text.utf8.count > 1 { text += "," }
        text += JSONObject.quoted(name) + ":"
    }

    private static func quoted(_ value: String) -> String {
        var result = "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where String.isHidden(scalar):
                for unit in UTF16.encode(scalar) ?? .init() {
                    let digits = String(unit, radix: 16)
                    result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
