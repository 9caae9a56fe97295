import ArgumentParser

/// How output looks.
struct OutputOptions: ParsableArguments {
    /// When to use colours.
    enum ColorChoice: String, ExpressibleByArgument, CaseIterable {
        case auto, always, never
    }

    @Option(help: "When to use colours; auto uses them on a terminal, unless NO_COLOR is set.")
    var color = ColorChoice.auto

    @Flag(help: "Draw with ASCII only, as in a locale without UTF-8.")
    var ascii = false

    /// The defaults, for output before the command line is parsed.
    static var standard: OutputOptions {
        var options = OutputOptions()
        options.color = .auto
        options.ascii = false
        return options
    }
}
