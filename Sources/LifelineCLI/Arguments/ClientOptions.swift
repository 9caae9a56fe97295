import ArgumentParser
import Lifeline

/// What a client asks for, and what it puts up with.
struct ClientOptions: ParsableArguments {
    @Option(
        name: [.customShort("H"), .long],
        help: ArgumentHelp("A field of the request; repeatable.", valueName: "name: value"),
        transform: HeaderField.parse)
    var header: [HTTPField] = []

    @Option(help: ArgumentHelp("A subprotocol to offer; repeatable, the preferred one first.", valueName: "name"))
    var subprotocol: [String] = []

    @Option(help: ArgumentHelp("The Origin field of the request.", valueName: "origin"))
    var origin: String?

    @Option(help: ArgumentHelp("The time between two Pings; 0 sends none.", valueName: "duration"))
    var pingInterval = TimeSpan(.seconds(25))

    @Option(help: ArgumentHelp("The most bytes of a message; k and M are understood.", valueName: "bytes"))
    var maxMessageSize = ByteCount(16 << 20)

    @Option(
        help: ArgumentHelp(
            "How long the connection may take, and then the opening handshake.", valueName: "duration"))
    var connectTimeout = TimeSpan(.seconds(10))

    @Option(help: ArgumentHelp("The certificates to trust, in PEM form, instead of the system's.", valueName: "file"))
    var cacert: String?

    @Flag(help: "Do not check the server's certificate. Whoever sits between can read and change everything.")
    var insecure = false

    @OptionGroup(title: "Compression") var compression: CompressionOptions

    func validate() throws {
        if let origin, !HTTPField.isValidValue(origin) {
            throw ValidationError("the origin holds a line break or another control character")
        }
        guard connectTimeout.duration > .zero else { throw ValidationError("--connect-timeout must be more than 0") }
    }

    /// The configuration of a client that does as it is told.
    func configuration(_ observers: [any LifecycleObserver]) -> WebSocketClientConfiguration {
        var configuration = WebSocketClientConfiguration()
        configuration.endpoint.maximumMessageSize = maxMessageSize.bytes
        configuration.endpoint.maximumFrameSize = maxMessageSize.bytes
        configuration.endpoint.handshakeTimeout = connectTimeout.duration
        configuration.endpoint.heartbeat.interval = pingInterval.duration > .zero ? pingInterval.duration : nil
        configuration.endpoint.compression = compression.configuration(configuration.endpoint.compression)
        configuration.connectTimeout = connectTimeout.duration
        configuration.subprotocols = subprotocol
        configuration.headerFields = HTTPFields(header)
        if let origin { configuration.headerFields[.origin] = origin }
        configuration.tls = ClientTLS(trustedRoots: cacert.map { .file($0) }, verifiesServer: !insecure)
        configuration.observers = observers
        return configuration
    }
}
