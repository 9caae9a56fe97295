import ArgumentParser
import Lifeline
import LifelineTrace

/// A header field on the command line: `Name: value`.
enum HeaderField {
    /// Reads a field.
    ///
    /// - Throws: `ValidationError` if the name or the value has characters that HTTP does not allow. Line breaks, which
    ///   could add another field, are among them.
    static func parse(_ argument: String) throws -> HTTPField {
        guard let colon = argument.firstIndex(of: ":") else {
            throw ValidationError("a header field is written as 'Name: value'")
        }
        let nameText = argument[..<colon]
        guard let name = HTTPField.Name(String(nameText)) else {
            throw ValidationError(
                "\(String(nameText).quoted()) is not the name of a header field; letters, digits and !#$%&'*+-.^_`|~ are allowed"
            )
        }
        // White space around a value is not part of it (RFC 9110 §5.5).
        var value = argument[argument.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
        while value.last == " " || value.last == "\t" { value.removeLast() }
        guard HTTPField.isValidValue(String(value)) else {
            throw ValidationError("the value of \(name) contains a line break or another control character")
        }
        return HTTPField(name: name, value: String(value))
    }
}
