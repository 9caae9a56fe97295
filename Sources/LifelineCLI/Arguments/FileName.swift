import ArgumentParser

/// The name of a file on the command line.
enum FileName {
    /// Reads a name.
    ///
    /// - Throws: `ValidationError` if it is empty, most likely because a variable of a script is not set.
    static func parse(_ text: String) throws -> String {
        guard !text.isEmpty else { throw ValidationError("the name of the file is empty") }
        return text
    }
}
