import ArgumentParser
import Lifeline
import LifelineTrace

/// What a client sends in its opening handshake, and its limits.
struct ClientOptions: ParsableArguments {
    @Option(
        name: [.customShort("H"), .long],
        help: ArgumentHelp("A header field of the request; repeatable.", valueName: "name: value"),
        transform: HeaderField.parse)
    var header: [HTTPField] = []

    @Option(help: ArgumentHelp("A subprotocol to offer; repeatable, in order of preference.", valueName: "name"))
    var subprotocol: [String] = []

    @Option(help: ArgumentHelp("The request's Origin field.", valueName: "origin"))
    var origin: String?

    @Option(help: ArgumentHelp("The time between two Pings; 0 sends none.", valueName: "duration"))
    var pingInterval = TimeSpan(.seconds(25))

    @Option(help: ArgumentHelp("The largest message to accept, in bytes; k, M and G are allowed.", valueName: "bytes"))
    var maxMessageSize = ByteCount(16 << 20)

    @Option(
        help: ArgumentHelp(
            "The timeout for connecting, and again for the opening handshake after it.",
            valueName: "duration"))
    var connectTimeout = TimeSpan(.seconds(10))

    @OptionGroup var tls: ClientTLSOptions
    @OptionGroup var compression: CompressionOptions

    func validate() throws {
        if let origin, !HTTPField.isValidValue(origin) {
            throw ValidationError("the origin contains a line break or another control character")
        }
        if let origin, origin.isEmpty { throw ValidationError("--origin is empty; leave it out to send no Origin") }
        for name in subprotocol where HTTPField.Name(name) == nil {
            throw ValidationError(
                "--subprotocol: \(name.quoted()) cannot name a subprotocol; the names of subprotocols are tokens: letters, digits "
                    + "and !#$%&'*+-.^_`|~ (RFC 6455 §4.1)")
        }
        guard Set(subprotocol).count == subprotocol.count else {
            throw ValidationError(
                "--subprotocol: the same one is given twice; each may be offered once (RFC 6455 §4.1)")
        }
        guard connectTimeout.duration > .zero else { throw ValidationError("--connect-timeout must be greater than 0") }
    }

    /// The client's configuration.
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
        configuration.tls = tls.configuration
        configuration.observers = observers
        return configuration
    }
}
