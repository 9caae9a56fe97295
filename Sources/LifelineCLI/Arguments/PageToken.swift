import ArgumentParser

/// A token on the command line that shows the page to whoever has it.
enum PageToken {
    static func parse(_ text: String) throws -> String {
        guard text.contains(where: { !$0.isWhitespace }) else {
            // A script's variable that is not set, most likely.
            throw ValidationError("an empty token would show the page to everybody; leave it out to show it here alone")
        }
        return text
    }
}
