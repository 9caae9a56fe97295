import Foundation

/// The process's open sockets, as Linux lists them.
enum Descriptors {
    /// How many of the process's descriptors are TCP sockets from or to a port of this machine.
    static func count(port: Int) -> Int {
        let inodes = Set(inodes(port: port))
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        return names.count { name in
            guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(name)")
            else {
                return false
            }
            return target.hasPrefix("socket:[") && inodes.contains(String(target.dropFirst(8).dropLast()))
        }
    }

    /// The kernel's numbers of the sockets whose local or remote port is the given one.
    private static func inodes(port: Int) -> [String] {
        let suffix = ":" + String(format: "%04X", port)
        guard let table = try? String(contentsOfFile: "/proc/net/tcp", encoding: .utf8) else { return [] }
        return table.split(separator: "\n").compactMap { line in
            let columns = line.split(separator: " ")
            guard columns.count > 9, columns[1].hasSuffix(suffix) || columns[2].hasSuffix(suffix) else { return nil }
            return String(columns[9])
        }
    }
}
