import Lifeline

/// The processor time and memory of a process, from `/proc` (Linux only).
enum ProcessFigures {
    /// Processor time in seconds.
    struct Time: Sendable, Equatable {
        var user: Double
        var system: Double

        static func - (after: Time, before: Time) -> Time {
            Time(user: after.user - before.user, system: after.system - before.system)
        }
    }

    /// Memory in bytes.
    struct Memory: Sendable, Equatable {
        /// The resident memory, including shared pages.
        var resident: Int
        /// The share of anonymous pages: heap and stacks, without the program's code.
        var anonymous: Int?
    }

    /// The processor time that a process has used.
    static func time(of process: Int) -> Time? {
        System.text(ofFile: "/proc/\(process)/stat").flatMap {
            time(stat: $0, ticksPerSecond: System.clockTicksPerSecond)
        }
    }

    /// The memory that a process uses.
    static func memory(of process: Int) -> Memory? {
        System.text(ofFile: "/proc/\(process)/smaps_rollup").flatMap { memory(rollup: $0) }
    }

    /// The nanoseconds for which the calling thread was ready to run but had no core.
    static var threadWaited: UInt64? {
        System.text(ofFile: "/proc/thread-self/schedstat").flatMap { waited(schedstat: $0) }
    }

    /// Reads `/proc/PID/schedstat`.
    static func waited(schedstat: String) -> UInt64? {
        schedstat.split { $0 == " " || $0 == "\n" }.dropFirst().first.flatMap { UInt64($0) }
    }

    /// Reads `/proc/PID/stat`.
    static func time(stat: String, ticksPerSecond: Int) -> Time? {
        // The second field is the name in parentheses, which may contain anything.
        guard let name = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: name)...].split { $0 == " " || $0 == "\n" }
        guard fields.count > 12, let user = Int(fields[11]), let system = Int(fields[12]) else { return nil }
        return Time(user: Double(user) / Double(ticksPerSecond), system: Double(system) / Double(ticksPerSecond))
    }

    /// Reads `/proc/PID/smaps_rollup`.
    static func memory(rollup: String) -> Memory? {
        func bytes(_ name: String) -> Int? {
            let line = rollup.split(separator: "\n").first { $0.hasPrefix(name + ":") }
            return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map {
                $0.multipliedSaturating(by: 1024)
            }
        }
        return bytes("Rss").map { Memory(resident: $0, anonymous: bytes("Pss_Anon")) }
    }
}
