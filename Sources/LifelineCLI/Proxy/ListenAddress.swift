import Lifeline

/// An address to listen on, on the command line: `8080`, `localhost:8080`, `[::1]:8080`.
struct ListenAddress: LimitedArgument {
    let host: String
    let port: Int

    static let allowed =
        "a port from 0 to 65535, with or without a host before it: 8080, localhost:8080, [::1]:8080"

    init?(argument: String) {
        let colon = argument.lastIndex(of: ":")
        let portText = colon.map { argument[argument.index(after: $0)...] } ?? argument[...]
        var hostText = colon.map { argument[..<$0] } ?? "127.0.0.1"
        if hostText.hasPrefix("["), hostText.hasSuffix("]") {
            hostText = hostText.dropFirst().dropLast()
        } else if hostText.contains(":") {
            return nil
        }
        guard !hostText.isEmpty, !portText.isEmpty, portText.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = Int(portText), (0...65535).contains(number)
        else { return nil }
        host = String(hostText)
        port = number
    }

    var address: ServerAddress { .hostname(host, port: port) }
}
