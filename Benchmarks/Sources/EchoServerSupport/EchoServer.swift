#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// What every echo server here takes and tells, so that one script can run any of them.
///
/// SIGTERM is left to its default action, which ends the process: there is nothing to save.
public struct EchoServerOptions: Sendable {
    /// 0 lets the kernel pick one.
    public var port = 0
    public var loops = 1
    /// The options without a value that were given, such as `--frames`.
    public var flags: Set<String> = []

    /// Reads the process's arguments; an unknown one ends the process with status 64.
    public init(flags known: Set<String> = []) {
        var arguments = CommandLine.arguments.dropFirst()
        while let argument = arguments.popFirst() {
            switch argument {
            case "--port":
                self.port = Self.number(for: argument, from: arguments.popFirst(), in: 0...65_535)
            case "--loops":
                self.loops = Self.number(for: argument, from: arguments.popFirst(), in: 1...1_024)
            case _ where known.contains(argument):
                self.flags.insert(argument)
            default:
                Self.refuse("unknown option \(argument)")
            }
        }
    }

    private static func number(for option: String, from text: String?, in range: ClosedRange<Int>) -> Int {
        guard let text, let number = Int(text), range.contains(number) else {
            refuse("\(option) takes a number in \(range)")
        }
        return number
    }

    private static func refuse(_ reason: String) -> Never {
        print(reason)
        exit(64)
    }
}

/// Prints the line a script waits for before it connects.
public func announce(port: Int) {
    print("listening \(port)")
    // Into a pipe stdout is fully buffered; `nil` flushes it without naming the global, which is not concurrency-safe.
    fflush(nil)
}
