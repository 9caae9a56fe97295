import ArgumentParser

/// A value on the command line that has limits: an error says which.
protocol LimitedArgument: Sendable {
    /// What is allowed, in words: `a number from …`.
    static var allowed: String { get }

    /// Reads an argument; `nil` where it is beyond the limits.
    init?(argument: String)
}

extension LimitedArgument {
    /// Reads an argument.
    ///
    /// - Throws: `ValidationError` that says what is allowed.
    static func parse(_ text: String) throws -> Self {
        guard let value = Self(argument: text) else { throw ValidationError("it must be " + allowed) }
        return value
    }
}

extension Option where Value: LimitedArgument {
    /// An option that must be there.
    init(help: ArgumentHelp) {
        self.init(help: help, transform: Value.parse)
    }
}

extension Option where Value: LimitedArgument & CustomStringConvertible {
    /// An option with a default, which the help shows.
    init(wrappedValue: Value, help: ArgumentHelp) {
        var help = help
        help.abstract += " (default: \(wrappedValue))"
        self.init(wrappedValue: wrappedValue, help: help, transform: Value.parse)
    }
}

extension Option {
    /// An option that may be missing.
    init<Wrapped: LimitedArgument>(help: ArgumentHelp) where Value == Wrapped? {
        self.init(help: help, transform: Wrapped.parse)
    }
}
