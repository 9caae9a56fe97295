import ArgumentParser

/// What may be written to a terminal.
struct OutputOptions: ParsableArguments {
    /// When to use colours.
    enum ColorChoice: String, ExpressibleByArgument, CaseIterable {
        case auto, always, never
    }

    @Option(help: "When to use colours; auto: on a terminal, unless NO_COLOR is set.")
    var color = ColorChoice.auto

    @Flag(help: "Draw with ASCII alone, as is done where the locale is not UTF-8.")
    var ascii = false

    /// What holds where no command line says otherwise.
    static var standard: OutputOptions {
        var options = OutputOptions()
        options.color = .auto
        options.ascii = false
        return options
    }
}
