import ArgumentParser

/// A value on the command line that has limits. An error names them.
protocol LimitedArgument: Sendable {
    /// The allowed values, to follow "it must be": `a number from …`.
    static var allowed: String { get }

    /// Reads an argument. Returns `nil` if it is not allowed.
    init?(argument: String)
}

extension LimitedArgument {
    /// Reads an argument.
    ///
    /// - Throws: `ValidationError`, which says what is allowed.
    static func parse(_ text: String) throws -> Self {
        guard let value = Self(argument: text) else { throw ValidationError("it must be " + allowed) }
        return value
    }
}

extension Option where Value: LimitedArgument {
    /// A required option.
    init(help: ArgumentHelp) {
        self.init(help: help, transform: Value.parse)
    }
}

extension Option where Value: LimitedArgument & CustomStringConvertible {
    /// An option with a default, which the help shows.
    init(wrappedValue: Value, help: ArgumentHelp) {
        self.init(wrappedValue: wrappedValue, help: help.showing(wrappedValue), transform: Value.parse)
    }
}

extension Option {
    /// An optional option.
    init<Wrapped: LimitedArgument>(help: ArgumentHelp) where Value == Wrapped? {
        self.init(help: help, transform: Wrapped.parse)
    }
}

// MARK: - Numbers in a range

/// A number on the command line. Each option has a range of its own for it.
protocol NumberArgument: Comparable, CustomStringConvertible, Sendable {
    /// What it is, to follow "it must be": `a whole number`.
    static var noun: String { get }

    /// Reads an argument. Returns `nil` if it is not such a number.
    init?(number: String)
}

extension NumberArgument where Self: FixedWidthInteger {
    static var noun: String { "a whole number" }

    init?(number: String) {
        self.init(number)
    }
}

extension Int: NumberArgument {}
extension UInt16: NumberArgument {}

extension NumberArgument {
    /// Returns a function that reads an argument, and throws a `ValidationError` with the range if the argument is not
    /// in it.
    fileprivate static func parser(_ range: ClosedRange<Self>) -> @Sendable (String) throws -> Self {
        { text in
            guard let value = Self(number: text), range.contains(value) else {
                throw ValidationError("it must be \(noun) from \(range.lowerBound) to \(range.upperBound)")
            }
            return value
        }
    }
}

extension Option where Value: NumberArgument {
    /// An option for a number in a range, with a default, which the help shows.
    init(wrappedValue: Value, in range: ClosedRange<Value>, help: ArgumentHelp) {
        self.init(wrappedValue: wrappedValue, help: help.showing(wrappedValue), transform: Value.parser(range))
    }
}

extension Option {
    /// An optional option for a number in a range.
    init<Wrapped: NumberArgument>(in range: ClosedRange<Wrapped>, help: ArgumentHelp) where Value == Wrapped? {
        self.init(help: help, transform: Wrapped.parser(range))
    }
}

extension ArgumentHelp {
    /// The help with a default value behind it, as ArgumentParser shows those of its own types.
    fileprivate func showing(_ value: some CustomStringConvertible) -> ArgumentHelp {
        var help = self
        help.abstract += " (default: \(value))"
        return help
    }
}
