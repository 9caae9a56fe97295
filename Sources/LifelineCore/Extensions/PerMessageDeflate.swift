/// The parameters of permessage-deflate ([RFC 7692 §7.1](https://www.rfc-editor.org/rfc/rfc7692#section-7.1)): those that an offer asks
/// for, that a server answers with, and that both sides have agreed on.
///
/// A side's *window* is how far back its compressor may refer, as a power of two in bytes. With *context takeover*, a side keeps its
/// window from one message to the next. That compresses small messages far better, and costs both sides the memory of the window for as
/// long as the connection lasts.
public struct PerMessageDeflate: Hashable, Sendable {
    /// The extension's registered name.
    public static let name = "permessage-deflate"
    /// The window sizes that may be agreed on: 8 (256 bytes) to 15 (32 KiB).
    public static let windowBits = 8...15

    /// Whether the server begins each message with an empty window (§7.1.1.1). Default: `false`.
    public var serverNoContextTakeover: Bool
    /// Whether the client begins each message with an empty window (§7.1.1.2). Default: `false`.
    public var clientNoContextTakeover: Bool
    /// The server's window, 8 to 15 (§7.1.2.1). Default: 15.
    public var serverMaxWindowBits: Int
    /// The client's window, 8 to 15 (§7.1.2.2). Default: 15.
    public var clientMaxWindowBits: Int

    /// Creates parameters.
    ///
    /// - Precondition: The window sizes are in ``windowBits``.
    public init(
        serverNoContextTakeover: Bool = false, clientNoContextTakeover: Bool = false, serverMaxWindowBits: Int = 15,
        clientMaxWindowBits: Int = 15
    ) {
        precondition(PerMessageDeflate.windowBits.contains(serverMaxWindowBits), "server_max_window_bits is 8 to 15")
        precondition(PerMessageDeflate.windowBits.contains(clientMaxWindowBits), "client_max_window_bits is 8 to 15")
        self.serverNoContextTakeover = serverNoContextTakeover
        self.clientNoContextTakeover = clientNoContextTakeover
        self.serverMaxWindowBits = serverMaxWindowBits
        self.clientMaxWindowBits = clientMaxWindowBits
    }

    /// Whether `role` begins each message with an empty window.
    func noContextTakeover(_ role: WebSocketRole) -> Bool {
        role == .server ? serverNoContextTakeover : clientNoContextTakeover
    }

    /// Returns the window of `role`, 8 to 15.
    func maxWindowBits(_ role: WebSocketRole) -> Int {
        role == .server ? serverMaxWindowBits : clientMaxWindowBits
    }
}

extension PerMessageDeflate: CustomStringConvertible {
    /// The parameters as in a server's response.
    public var description: String { answer.description }
}

// MARK: Names

extension PerMessageDeflate {
    static let serverNoContextTakeoverName = "server_no_context_takeover"
    static let clientNoContextTakeoverName = "client_no_context_takeover"
    static let serverMaxWindowBitsName = "server_max_window_bits"
    static let clientMaxWindowBitsName = "client_max_window_bits"

    /// One element of an offer or a response whose parameters obey §7.1: each is known, occurs at most once, and has a value exactly if
    /// it takes one.
    struct Element: Hashable {
        var serverNoContextTakeover = false
        var clientNoContextTakeover = false
        var serverMaxWindowBits: Int?
        /// Whether `client_max_window_bits` occurs. In an offer it may have no value.
        var hasClientMaxWindowBits = false
        var clientMaxWindowBits: Int?

        /// Parses an element.
        ///
        /// - Throws: ``Malformed`` if a parameter breaks a rule.
        init(_ element: WebSocketExtension) throws(Malformed) {
            var seen: Set<String> = []
            for parameter in element.parameters {
                guard seen.insert(parameter.name).inserted else {
                    throw Malformed(reason: "\(parameter.name) occurs twice")
                }
                switch parameter.name {
                case PerMessageDeflate.serverNoContextTakeoverName:
                    try Element.checkNoValue(parameter)
                    serverNoContextTakeover = true
                case PerMessageDeflate.clientNoContextTakeoverName:
                    try Element.checkNoValue(parameter)
                    clientNoContextTakeover = true
                case PerMessageDeflate.serverMaxWindowBitsName:
                    serverMaxWindowBits = try Element.windowBits(parameter)
                case PerMessageDeflate.clientMaxWindowBitsName:
                    hasClientMaxWindowBits = true
                    if parameter.value != nil { clientMaxWindowBits = try Element.windowBits(parameter) }
                default:
                    throw Malformed(reason: "\(parameter.name) is not a parameter of permessage-deflate")
                }
            }
        }

        private static func checkNoValue(_ parameter: WebSocketExtension.Parameter) throws(Malformed) {
            guard let value = parameter.value else { return }
            throw Malformed(reason: "\(parameter.name) takes no value, but has \(value)")
        }

        /// A decimal number from 8 to 15 without leading zeros (§7.1.2).
        private static func windowBits(_ parameter: WebSocketExtension.Parameter) throws(Malformed) -> Int {
            guard let value = parameter.value else { throw Malformed(reason: "\(parameter.name) lacks its value") }
            guard let bits = Int(value), PerMessageDeflate.windowBits.contains(bits), String(bits) == value else {
                throw Malformed(reason: "\(parameter.name) must be 8 to 15, but is \(value)")
            }
            return bits
        }
    }

    /// Creates the parameters of a response's element, with the defaults for missing ones.
    init(_ answer: Element) {
        self.init(
            serverNoContextTakeover: answer.serverNoContextTakeover,
            clientNoContextTakeover: answer.clientNoContextTakeover,
            serverMaxWindowBits: answer.serverMaxWindowBits ?? 15,
            clientMaxWindowBits: answer.clientMaxWindowBits ?? 15)
    }

    /// Why an element is malformed.
    struct Malformed: Error {
        var reason: String
    }

    private static func element(_ parameters: [(name: String, value: Int?, isThere: Bool)]) -> WebSocketExtension {
        WebSocketExtension(
            name: name,
            parameters: parameters.filter(\.isThere).map { .init(name: $0.name, value: $0.value.map { "\($0)" }) })
    }
}

// MARK: Clients

extension PerMessageDeflate {
    /// The parameters as a client's offer (§7.1).
    ///
    /// It always has `client_max_window_bits`, so that the server may ask for a smaller window.
    public var offer: WebSocketExtension {
        PerMessageDeflate.element([
            (PerMessageDeflate.serverNoContextTakeoverName, nil, serverNoContextTakeover),
            (PerMessageDeflate.clientNoContextTakeoverName, nil, clientNoContextTakeover),
            (PerMessageDeflate.serverMaxWindowBitsName, serverMaxWindowBits, serverMaxWindowBits < 15),
            (PerMessageDeflate.clientMaxWindowBitsName, clientMaxWindowBits < 15 ? clientMaxWindowBits : nil, true),
        ])
    }

    /// Returns what a server has agreed to.
    ///
    /// - Parameters:
    ///   - answer: The element of the server's response.
    ///   - offers: The client's elements of the same name, in the order of preference.
    /// - Throws: ``Malformed`` if the response fits none of the offers. The connection must be failed then (§7.1).
    static func agreement(
        from answer: WebSocketExtension, to offers: [WebSocketExtension]
    ) throws(Malformed) -> PerMessageDeflate {
        let element = try Element(answer)
        if element.hasClientMaxWindowBits, element.clientMaxWindowBits == nil {
            throw Malformed(reason: "\(clientMaxWindowBitsName) lacks its value")
        }
        var firstReason: Malformed?
        for offer in offers {
            // The application may have written an offer that is malformed.
            guard let offer = try? Element(offer) else { continue }
            if let reason = element.misfit(to: offer) {
                firstReason = firstReason ?? Malformed(reason: reason)
                continue
            }
            var agreement = PerMessageDeflate(element)
            // What the client has offered for itself holds, even if the response does not repeat it.
            agreement.clientNoContextTakeover = element.clientNoContextTakeover || offer.clientNoContextTakeover
            agreement.clientMaxWindowBits = min(agreement.clientMaxWindowBits, offer.clientMaxWindowBits ?? 15)
            return agreement
        }
        throw firstReason ?? Malformed(reason: "it was not offered")
    }
}

extension PerMessageDeflate.Element {
    /// Returns why this response does not fit an offer; `nil` if it does.
    fileprivate func misfit(to offer: PerMessageDeflate.Element) -> String? {
        if offer.serverNoContextTakeover, !serverNoContextTakeover {
            return "\(PerMessageDeflate.serverNoContextTakeoverName) was requested, but is missing"
        }
        if let asked = offer.serverMaxWindowBits, serverMaxWindowBits ?? 15 > asked {
            return "\(PerMessageDeflate.serverMaxWindowBitsName) of at most \(asked) was requested"
                + (serverMaxWindowBits.map { ", but is \($0)" } ?? ", but is missing")
        }
        if hasClientMaxWindowBits, !offer.hasClientMaxWindowBits {
            return "\(PerMessageDeflate.clientMaxWindowBitsName) was not offered"
        }
        if let ours = clientMaxWindowBits, let offered = offer.clientMaxWindowBits, ours > offered {
            return "\(PerMessageDeflate.clientMaxWindowBitsName) is \(ours), but \(offered) was offered"
        }
        return nil
    }
}

// MARK: Servers

extension PerMessageDeflate {
    /// The agreement as a server's response (§7.1) to an offer without `server_max_window_bits`.
    public var answer: WebSocketExtension { answer(to: []) }

    /// Returns the agreement as a server's response (§7.1).
    ///
    /// An offer's `server_max_window_bits` must be confirmed even if it asks for the largest window (§7.1.2.1).
    ///
    /// - Parameter extensions: The client's offers, from which ``agreement(on:)`` made this agreement.
    public func answer(to extensions: [WebSocketExtension]) -> WebSocketExtension {
        let isAsked = PerMessageDeflate.accepted(of: extensions)?.serverMaxWindowBits != nil
        return PerMessageDeflate.element([
            (PerMessageDeflate.serverNoContextTakeoverName, nil, serverNoContextTakeover),
            (PerMessageDeflate.clientNoContextTakeoverName, nil, clientNoContextTakeover),
            (PerMessageDeflate.serverMaxWindowBitsName, serverMaxWindowBits, serverMaxWindowBits < 15 || isAsked),
            (PerMessageDeflate.clientMaxWindowBitsName, clientMaxWindowBits, clientMaxWindowBits < 15),
        ])
    }

    /// Returns the first of a client's offers that can be accepted.
    private static func accepted(of extensions: [WebSocketExtension]) -> Element? {
        for offer in extensions where offer.name == name {
            if let element = try? Element(offer) { return element }
        }
        return nil
    }

    /// Returns the agreement on the first of a client's offers that can be accepted; `nil` if none can.
    ///
    /// An offer is declined if a parameter is unknown, occurs twice, or has an invalid value (§7.1). The server grants what the client
    /// asks for. Beyond that, it asks for what the RFC allows: that the client begins each message with an empty window, and, if the
    /// offer has `client_max_window_bits`, that the client uses a smaller window.
    ///
    /// - Parameter extensions: The client's offers, of this and other extensions, in the order of preference.
    public func agreement(on extensions: [WebSocketExtension]) -> PerMessageDeflate? {
        guard let offer = PerMessageDeflate.accepted(of: extensions) else { return nil }
        let clientBits = min(clientMaxWindowBits, offer.clientMaxWindowBits ?? 15)
        return PerMessageDeflate(
            serverNoContextTakeover: serverNoContextTakeover || offer.serverNoContextTakeover,
            clientNoContextTakeover: clientNoContextTakeover || offer.clientNoContextTakeover,
            serverMaxWindowBits: min(serverMaxWindowBits, offer.serverMaxWindowBits ?? 15),
            clientMaxWindowBits: offer.hasClientMaxWindowBits ? clientBits : 15)
    }
}
