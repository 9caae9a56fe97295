import ArgumentParser
import Lifeline

/// Whether and how messages are compressed.
struct CompressionOptions: ParsableArguments {
    @Flag(help: "Do not compress: neither offer nor accept permessage-deflate.")
    var noCompression = false

    @OptionGroup var parameters: CompressionParameters

    /// The defaults with the changes that the options ask for. Returns `nil` to switch compression off.
    func configuration(_ defaults: CompressionConfiguration?) -> CompressionConfiguration? {
        noCompression ? nil : defaults.map(parameters.configuration)
    }
}

/// How messages are compressed.
struct CompressionParameters: ParsableArguments {
    @Option(
        in: PerMessageDeflate.windowBits,
        help: ArgumentHelp(
            "The size of the server's compression window as a power of two: 8 (256 bytes) to 15 (32 KiB).",
            valueName: "bits"))
    var serverMaxWindowBits: Int?

    @Option(
        in: PerMessageDeflate.windowBits,
        help: ArgumentHelp("The size of the client's compression window, in the same way.", valueName: "bits"))
    var clientMaxWindowBits: Int?

    @Flag(help: "The server resets its compression context after each message.")
    var serverNoContextTakeover = false

    @Flag(help: "The client resets its compression context after each message.")
    var clientNoContextTakeover = false

    @Option(
        in: 1...9, help: ArgumentHelp("The compression level: 1 is fastest, 9 compresses best.", valueName: "level"))
    var compressionLevel = 6

    @Option(
        in: ByteCount(0)...ByteCount(1 << 40),
        help: ArgumentHelp("Compress only messages of at least this many bytes.", valueName: "bytes"))
    var compressFrom: ByteCount?

    /// The defaults with the changes that the options ask for.
    func configuration(_ defaults: CompressionConfiguration) -> CompressionConfiguration {
        var configuration = defaults
        configuration.parameters.serverMaxWindowBits =
            serverMaxWindowBits ?? configuration.parameters.serverMaxWindowBits
        configuration.parameters.clientMaxWindowBits =
            clientMaxWindowBits ?? configuration.parameters.clientMaxWindowBits
        configuration.parameters.serverNoContextTakeover = serverNoContextTakeover
        configuration.parameters.clientNoContextTakeover = clientNoContextTakeover
        configuration.level = compressionLevel
        configuration.minimumSize = compressFrom?.bytes ?? configuration.minimumSize
        return configuration
    }
}

extension CompressionStatistics {
    /// The compression ratios of both directions in words. Returns `nil` if no message was compressed.
    var summary: String? {
        let parts = [("in", receivedRatio), ("out", sentRatio)].compactMap { name, ratio in
            ratio.map { "\(name) \($0.ratioText)" }
        }
        return parts.isEmpty ? nil : "compressed " + parts.joined(separator: ", ")
    }
}

extension Double {
    /// A ratio with one decimal, or none from ten on: `3.2x`, `14x`.
    var ratioText: String {
        let tenths = Int(saturating: (max(self, 0) * 10).rounded())
        return tenths < 100 ? "\(tenths / 10).\(tenths % 10)x" : "\(tenths.addingSaturating(5) / 10)x"
    }
}
