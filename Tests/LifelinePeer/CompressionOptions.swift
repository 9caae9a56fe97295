import ArgumentParser
import Lifeline
import LifelineCore

/// Whether and how a server or a client compresses.
struct CompressionOptions: ParsableArguments {
    @Option(
        help: """
            What to ask for, in the words of RFC 7692, such as "permessage-deflate; client_max_window_bits=10", or none; \
            again for what a client offers next.
            """)
    var compression: [String] = []

    /// Which messages to compress.
    enum Choice: String, ExpressibleByArgument, CaseIterable {
        case automatic
        case always
        case never
    }

    @Option(help: "Which messages to compress: \(Choice.allCases.map(\.rawValue).joined(separator: ", ")).")
    private var compress = Choice.automatic

    /// Which messages to compress, where that is agreed.
    var choice: MessageCompression {
        switch compress {
        case .automatic: .automatic
        case .always: .always
        case .never: .never
        }
    }

    func apply(to configuration: inout EndpointConfiguration) throws {
        guard let first = compression.first else { return }
        if first == "none" {
            configuration.compression = nil
        } else {
            configuration.compression?.parameters = try PerMessageDeflate(parsing: first)
            configuration.compression?.alternatives = try compression.dropFirst().map(PerMessageDeflate.init(parsing:))
        }
    }
}

extension PerMessageDeflate {
    fileprivate init(parsing text: String) throws {
        self.init()
        let elements = text.split(separator: ";")
        guard elements.first ?? "" == PerMessageDeflate.name else { throw ValidationError("not an offer: \(text)") }
        for parameter in elements.dropFirst() {
            let parts = parameter.split(separator: "=").map { $0.trimmingPrefix { $0 == " " } }
            let bits = parts.count == 2 ? Int(parts[1]) : nil
            switch (String(parts[0]), bits) {
            case ("server_no_context_takeover", nil): serverNoContextTakeover = true
            case ("client_no_context_takeover", nil): clientNoContextTakeover = true
            case ("server_max_window_bits", let bits?): serverMaxWindowBits = bits
            // An offer speaks of the client's window anyway.
            case ("client_max_window_bits", let bits): clientMaxWindowBits = bits ?? 15
            default: throw ValidationError("not a parameter: \(parameter)")
            }
        }
    }
}
