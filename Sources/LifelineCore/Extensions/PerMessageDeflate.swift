/// The parameters of permessage-deflate ([RFC 7692 §7.1](https://www.rfc-editor.org/rfc/rfc7692#section-7.1)): what an
/// offer asks for, what a server answers, and what both sides have agreed on.
///
/// A side's *window* is how far back its compressor may refer, as a power of two in bytes. With *context takeover* it keeps
/// that window from one message to the next, which compresses small messages far better and costs both sides the window's
/// memory for as long as the connection lasts.
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

    /// Parameters.
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

    /// Whether the side begins each message with an empty window.
    func noContextTakeover(_ role: WebSocketRole) -> Bool {
        role == .server ? serverNoContextTakeover : clientNoContextTakeover
    }

    /// The side's window.
    func maxWindowBits(_ role: WebSocketRole) -> Int {
        role == .server ? serverMaxWindowBits : clientMaxWindowBits
    }
}

extension PerMessageDeflate: CustomStringConvertible {
    /// The agreement as the server's answer writes it.
    public var description: String { answer.description }
}

// MARK: Names

extension PerMessageDeflate {
    static let serverNoContextTakeoverName = "server_no_context_takeover"
    static let clientNoContextTakeoverName = "client_no_context_takeover"
    static let serverMaxWindowBitsName = "server_max_window_bits"
    static let clientMaxWindowBitsName = "client_max_window_bits"

    /// One element of an offer or an answer, with the rules of §7.1 for its parameters kept: each known, and there at most
    /// once, with a value where it takes one.
    struct Element: Hashable {
        var serverNoContextTakeover = false
        var clientNoContextTakeover = false
        var serverMaxWindowBits: Int?
        /// Whether the client's window is spoken of at all; an offer may do so without a value.
        var hasClientMaxWindowBits = false
        var clientMaxWindowBits: Int?

        /// Reads an element.
        ///
        /// - Throws: What is wrong with it.
        init(_ element: WebSocketExtension) throws(Malformed) {
            var seen: Set<String> = []
            for parameter in element.parameters {
                guard seen.insert(parameter.name).inserted else {
                    throw Malformed(reason: "\(parameter.name) is there twice")
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
                    throw Malformed(reason: "\(parameter.name) is no parameter of permessage-deflate")
                }
            }
        }

        private static func checkNoValue(_ parameter: WebSocketExtension.Parameter) throws(Malformed) {
            guard let value = parameter.value else { return }
            throw Malformed(reason: "\(parameter.name) takes no value, and has \(value)")
        }

        /// A decimal number from 8 to 15 without leading zeros (§7.1.2).
        private static func windowBits(_ parameter: WebSocketExtension.Parameter) throws(Malformed) -> Int {
            guard let value = parameter.value else { throw Malformed(reason: "\(parameter.name) lacks its value") }
            guard let bits = Int(value), PerMessageDeflate.windowBits.contains(bits), String(bits) == value else {
                throw Malformed(reason: "\(parameter.name) must be 8 to 15, and is \(value)")
            }
            return bits
        }
    }

    /// What an answer's element says, by itself.
    init(_ answer: Element) {
        self.init(
            serverNoContextTakeover: answer.serverNoContextTakeover,
            clientNoContextTakeover: answer.clientNoContextTakeover,
            serverMaxWindowBits: answer.serverMaxWindowBits ?? 15,
            clientMaxWindowBits: answer.clientMaxWindowBits ?? 15)
    }

    /// What is wrong with an element.
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
    /// The client's window is always spoken of, so that the server may ask for a smaller one.
    public var offer: WebSocketExtension {
        PerMessageDeflate.element([
            (PerMessageDeflate.serverNoContextTakeoverName, nil, serverNoContextTakeover),
            (PerMessageDeflate.clientNoContextTakeoverName, nil, clientNoContextTakeover),
            (PerMessageDeflate.serverMaxWindowBitsName, serverMaxWindowBits, serverMaxWindowBits < 15),
            (PerMessageDeflate.clientMaxWindowBitsName, clientMaxWindowBits < 15 ? clientMaxWindowBits : nil, true),
        ])
    }

    /// What a server has agreed to, where its answer fits one of the offers.
    ///
    /// - Parameters:
    ///   - answer: The server's element.
    ///   - offers: The client's elements of the same name, in its order.
    /// - Throws: Why the answer fits none; the connection must be failed then (§7.1).
    static func agreement(
        from answer: WebSocketExtension, to offers: [WebSocketExtension]
    ) throws(Malformed) -> PerMessageDeflate {
        let element = try Element(answer)
        if element.hasClientMaxWindowBits, element.clientMaxWindowBits == nil {
            throw Malformed(reason: "\(clientMaxWindowBitsName) lacks its value")
        }
        var firstReason: Malformed?
        for offer in offers {
            // One that we could not read ourselves was not written by us, but by the application.
            guard let offer = try? Element(offer) else { continue }
            if let reason = element.misfit(to: offer) {
                firstReason = firstReason ?? Malformed(reason: reason)
                continue
            }
            var agreement = PerMessageDeflate(element)
            // What the client has announced of itself it does, whether or not the answer says so.
            agreement.clientNoContextTakeover = element.clientNoContextTakeover || offer.clientNoContextTakeover
            agreement.clientMaxWindowBits = min(agreement.clientMaxWindowBits, offer.clientMaxWindowBits ?? 15)
            return agreement
        }
        throw firstReason ?? Malformed(reason: "it was not offered")
    }
}

extension PerMessageDeflate.Element {
    /// Why this answer does not fit an offer, or `nil` where it does.
    fileprivate func misfit(to offer: PerMessageDeflate.Element) -> String? {
        if offer.serverNoContextTakeover, !serverNoContextTakeover {
            return "\(PerMessageDeflate.serverNoContextTakeoverName) was asked for, and is missing"
        }
        if let asked = offer.serverMaxWindowBits, serverMaxWindowBits ?? 15 > asked {
            return "\(PerMessageDeflate.serverMaxWindowBitsName) of at most \(asked) was asked for"
                + (serverMaxWindowBits.map { ", and is \($0)" } ?? ", and is missing")
        }
        if hasClientMaxWindowBits, !offer.hasClientMaxWindowBits {
            return "\(PerMessageDeflate.clientMaxWindowBitsName) was not offered"
        }
        if let ours = clientMaxWindowBits, let offered = offer.clientMaxWindowBits, ours > offered {
            return "\(PerMessageDeflate.clientMaxWindowBitsName) is \(ours), and \(offered) was offered"
        }
        return nil
    }
}

// MARK: Servers

extension PerMessageDeflate {
    /// The agreement as a server's answer (§7.1) to an offer that asks for no window of the server's.
    public var answer: WebSocketExtension { answer(to: []) }

    /// The agreement as a server's answer (§7.1).
    ///
    /// What an offer says of the server's window must be confirmed even where it asks for the largest one (§7.1.2.1).
    ///
    /// - Parameter extensions: The client's offers, which ``agreement(on:)`` has made this agreement on.
    public func answer(to extensions: [WebSocketExtension]) -> WebSocketExtension {
        let isAsked = PerMessageDeflate.accepted(of: extensions)?.serverMaxWindowBits != nil
        return PerMessageDeflate.element([
            (PerMessageDeflate.serverNoContextTakeoverName, nil, serverNoContextTakeover),
            (PerMessageDeflate.clientNoContextTakeoverName, nil, clientNoContextTakeover),
            (PerMessageDeflate.serverMaxWindowBitsName, serverMaxWindowBits, serverMaxWindowBits < 15 || isAsked),
            (PerMessageDeflate.clientMaxWindowBitsName, clientMaxWindowBits, clientMaxWindowBits < 15),
        ])
    }

    /// The first of a client's offers that can be accepted.
    private static func accepted(of extensions: [WebSocketExtension]) -> Element? {
        for offer in extensions where offer.name == name {
            if let element = try? Element(offer) { return element }
        }
        return nil
    }

    /// The agreement on the first of a client's offers that can be accepted, or `nil` where none can.
    ///
    /// An offer with a parameter that is unknown, is there twice, or has a value that is not allowed is declined (§7.1), and
    /// the next one looked at. What the client asks of the server is granted; what the server asks of the client beyond
    /// the offer is what the RFC lets it ask: that it begins each message anew, and a smaller window where the offer speaks
    /// of the client's window at all.
    ///
    /// - Parameter extensions: The client's offers, of this and of other extensions, in its order of preference.
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
