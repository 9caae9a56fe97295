import ArgumentParser
import Lifeline

/// Whether and how messages are compressed.
struct CompressionOptions: ParsableArguments {
    @Flag(help: "Do not compress: permessage-deflate is neither offered nor accepted.")
    var noCompression = false

    @Option(
        help: ArgumentHelp(
            "How far back the server's compressor may refer, as a power of two: 8 (256 bytes) to 15 (32 KiB).",
            valueName: "bits"))
    var serverMaxWindowBits: Int?

    @Option(help: ArgumentHelp("The same for the client's.", valueName: "bits"))
    var clientMaxWindowBits: Int?

    @Flag(help: "The server compresses each message by itself, and keeps nothing of those before.")
    var serverNoContextTakeover = false

    @Flag(help: "The client does.")
    var clientNoContextTakeover = false

    @Option(help: ArgumentHelp("How hard to look for what repeats: 1 (fast) to 9 (small).", valueName: "level"))
    var compressionLevel = 6

    @Option(help: ArgumentHelp("From how many bytes on a message is compressed.", valueName: "bytes"))
    var compressFrom: Int?

    func validate() throws {
        for (name, bits) in [
            ("--server-max-window-bits", serverMaxWindowBits), ("--client-max-window-bits", clientMaxWindowBits),
        ] {
            guard bits.map(PerMessageDeflate.windowBits.contains) ?? true else {
                throw ValidationError("\(name) must be a number from 8 to 15")
            }
        }
        guard (1...9).contains(compressionLevel) else {
            throw ValidationError("--compression-level must be a number from 1 to 9")
        }
        guard compressFrom.map({ $0 >= 0 }) ?? true else {
            throw ValidationError("--compress-from must not be negative")
        }
    }

    /// The defaults of a side, changed as asked.
    func configuration(_ defaults: CompressionConfiguration?) -> CompressionConfiguration? {
        guard !noCompression, var configuration = defaults else { return nil }
        configuration.parameters.serverMaxWindowBits =
            serverMaxWindowBits ?? configuration.parameters.serverMaxWindowBits
        configuration.parameters.clientMaxWindowBits =
            clientMaxWindowBits ?? configuration.parameters.clientMaxWindowBits
        configuration.parameters.serverNoContextTakeover = serverNoContextTakeover
        configuration.parameters.clientNoContextTakeover = clientNoContextTakeover
        configuration.level = compressionLevel
        configuration.minimumSize = compressFrom ?? configuration.minimumSize
        return configuration
    }
}

extension CompressionStatistics {
    /// How much shorter messages have become, in words; `nil` where none was compressed.
    var summary: String? {
        let parts = [("in", receivedRatio), ("out", sentRatio)].compactMap { name, ratio in
            ratio.map { "\(name) \($0.ratioText)" }
        }
        return parts.isEmpty ? nil : "compressed " + parts.joined(separator: ", ")
    }
}

extension Double {
    /// A ratio with as many digits as tell something: `3.2x`, `14x`.
    var ratioText: String {
        let tenths = Int(saturating: (max(self, 0) * 10).rounded())
        return tenths < 100 ? "\(tenths / 10).\(tenths % 10)x" : "\(tenths.addingSaturating(5) / 10)x"
    }
}
