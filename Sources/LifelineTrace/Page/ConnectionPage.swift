public import Lifeline

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A web page that shows every connection of a server as it happens: a list, and a growing diagram of each.
///
/// ```swift
/// var server = WebSocketServer(address: .hostname("127.0.0.1", port: 8080))
/// ConnectionPage().mount(on: &server)         // http://127.0.0.1:8080/lifeline
/// ```
///
/// It loads nothing from other hosts. It is shown only to this machine, or with ``token`` to everyone who has the
/// token: `/lifeline?token=…`. Requests that a proxy forwards do not count as this machine's. Its WebSocket accepts
/// only its own origin, whatever the server's `WebSocketServerConfiguration.originPolicy` allows.
public struct ConnectionPage: Sendable {
    /// The connections to show.
    public let board: ConnectionBoard
    /// The token that a request must have. `nil`, the default, shows the page only to this machine. It must not be
    /// empty when the page is mounted.
    public var token: String?
    /// Additional paths that users can connect to from the page. The page's own path shows all nine steps.
    /// Default: none.
    public var places: [String] = []
    /// The line at the top of the page, such as the server's name. Default: empty.
    public var subject = ""

    /// Creates a page.
    public init(board: ConnectionBoard = ConnectionBoard(), token: String? = nil) {
        self.board = board
        self.token = token
    }

    /// Adds the page to a server.
    ///
    /// - Parameters:
    ///   - server: The server, before it runs.
    ///   - path: The path of the page, without a slash at its end. Default: `/lifeline`.
    ///   - observes: Whether to show the server's own connections. Default: `true`. With `false`, the page shows only
    ///     events that are added with ``ConnectionBoard/record(_:at:)``, and has no path of its own to connect to.
    public func mount(on server: inout WebSocketServer, at path: String = "/lifeline", observes: Bool = true) {
        if observes { server.configuration.observers.append(board) }
        precondition(token != "", "an empty token would show the page to everyone; nil shows it only to this machine")
        if observes {
            board.exclude(
                PageFile.all.map { $0.name.isEmpty ? path : path + "/" + $0.name } + [path + "/", path + "/export"])
        }
        let page = self
        for file in PageFile.all {
            for place in file.name.isEmpty ? [path, path + "/"] : [path + "/" + file.name] {
                server.respond(at: place) { request in
                    page.refusal(of: request).map(PageFile.forbidden) ?? file.answer(at: path)
                }
            }
        }
        server.respond(at: path + "/export") { request in
            page.refusal(of: request).map(PageFile.forbidden) ?? page.export(request.request)
        }
        let places = (observes ? [path + "/try"] : []) + places
        // Only the page itself may connect, whatever the server's origin policy says. Browsers always send Origin.
        server.route(path + "/socket") {
            $0.originPolicy = .sameOrigin
        } upgrade: { upgrade in
            let isOfBrowser = upgrade.headerFields.contains(.origin)
            if let reason = page.refusal(of: upgrade)
                ?? (isOfBrowser ? nil : "only the page itself may connect: Origin is missing")
            {
                throw HandshakeRefusal(reason: .application, status: .forbidden, message: reason)
            }
            return .accept()
        } handler: { socket, _ in
            try await PageSession(
                board: page.board, subject: page.subject, places: places, socket: socket, isShown: observes
            ).run()
        }
        if observes {
            server.route(path + "/try") {
                $0.originPolicy = .sameOrigin
            } handler: { socket in
                try await ConnectionPage.try(socket)
            }
        }
    }

    /// Shows every kind of step after the first message: an answer, a Ping and an unsolicited update.
    private static func `try`(_ socket: WebSocket) async throws {
        var isFirst = true
        for try await message in socket {
            try await socket.send(message)
            guard isFirst else { continue }
            isFirst = false
            _ = try await socket.ping()
            try await socket.send("an unsolicited update")
        }
    }

    // MARK: Access

    /// Returns why a request may not see the page, or `nil` if it may.
    func refusal(of request: ServerRequest) -> String? {
        if let token {
            return !token.isEmpty && ConnectionPage.shows(token, request.request)
                ? nil : "the page is shown only with its token: ?token=…"
        }
        let hint = "the page is shown only to this machine, or with a token"
        guard ConnectionPage.isLoopback(ConnectionPage.host(of: request.remoteAddress)) else { return hint }
        // Another host name that resolves to this machine would let pages of that host in (DNS rebinding).
        guard ConnectionPage.isLoopback(ConnectionPage.host(of: request.request.authority ?? "")) else {
            return hint + ": use the address http://localhost or http://127.0.0.1"
        }
        // Every request through a proxy on this machine is local. Proxies add too many different fields to list them,
        // so only the fields that browsers send are allowed.
        if let field = request.request.headerFields.first(where: { !ConnectionPage.isOfBrowser($0.name) }) {
            return hint + ": browsers do not send \(field.name), so a proxy may have forwarded the request"
        }
        guard !request.isHTTP10 else { return hint + ": the request is HTTP/1.0, so a proxy may have forwarded it" }
        return nil
    }

    /// The names of the fields that browsers and command-line clients send by default. Fields that begin with `Sec-`
    /// are allowed too: pages cannot set them.
    private static let browserFields: Set<String> = [
        "accept", "accept-charset", "accept-encoding", "accept-language", "alt-used", "authorization", "cache-control",
        "connection", "content-length", "content-type", "cookie", "device-memory", "dnt", "downlink", "dpr", "ect",
        "host", "if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "keep-alive",
        "origin", "pragma", "priority", "purpose", "range", "referer", "rtt", "save-data", "te", "upgrade",
        "upgrade-insecure-requests", "user-agent", "viewport-width", "width",
    ]

    /// Whether a field is one that browsers send.
    private static func isOfBrowser(_ name: HTTPField.Name) -> Bool {
        browserFields.contains(name.canonicalName) || name.canonicalName.hasPrefix("sec-")
    }

    /// Whether a request has the token, as it is or percent-encoded.
    private static func shows(_ token: String, _ request: HTTPRequest) -> Bool {
        guard let shown = query(request)["token"].map({ Array($0.utf8) }) else { return false }
        let token = Array(token.utf8)
        // Compares both, so that the time does not depend on the token.
        let (isWritten, isEncoded) = (isSame(shown, token), isSame(SecretText.percentDecoded(shown[...]), token))
        return isWritten || isEncoded
    }

    /// Whether two texts are the same. The time depends only on the first one, which is the visitor's.
    private static func isSame(_ shown: [UInt8], _ token: [UInt8]) -> Bool {
        guard !token.isEmpty else { return false }
        var difference = shown.count ^ token.count
        for index in shown.indices { difference |= Int(shown[index] ^ token[index % token.count]) }
        return difference == 0
    }

    /// The host of a Host field's value, or of an address and port. It is empty if they are malformed.
    static func host(of authority: String) -> String {
        let host: Substring
        if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") {
            host = authority[authority.index(after: authority.startIndex)..<end]
        } else if authority.count(where: { $0 == ":" }) > 1 {
            return authority
        } else {
            host = authority.prefix { $0 != ":" }
        }
        let rest = authority[host.endIndex...].drop { $0 == "]" }
        guard rest.isEmpty || rest.hasPrefix(":") && rest.dropFirst().allSatisfy({ $0.isASCII && $0.isNumber }) else {
            return ""
        }
        return String(host)
    }

    static func isLoopback(_ host: String) -> Bool {
        if ["localhost", "localhost."].contains(host.lowercased()) { return true }
        guard let address = IPAddressBytes.bytes(of: host) else { return false }
        if address.count == 4 { return address[0] == 127 }
        let isMapped = address.starts(with: [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF])
        return isMapped ? address[12] == 127 : address == [UInt8](repeating: 0, count: 15) + [1]
    }

    private static func query(_ request: HTTPRequest) -> [String: String] {
        // The last one of several with the same name counts.
        Dictionary(
            (request.path ?? "").queryParameters.map { ($0.name, $0.value) }, uniquingKeysWith: { _, last in last })
    }

    // MARK: Export

    /// Returns a connection as SVG, HAR or JSON Lines, to download.
    private func export(_ request: HTTPRequest) -> HTTPServerResponse {
        let query = ConnectionPage.query(request)
        guard let id = query["connection"].flatMap({ UInt64($0) }) else {
            return .text("the parameter connection=NUMBER is missing\n", status: .badRequest)
        }
        let recording = board.recording(of: id)
        guard !recording.events.isEmpty else {
            return .text("there is no connection \(id), or the server no longer keeps it\n", status: .notFound)
        }
        let (text, type): (String, String)
        switch query["format"] {
        case "svg": (text, type) = (SVGRenderer().render(SequenceDiagram(id, of: recording)), "image/svg+xml")
        case "har": (text, type) = (HAR.write(recording, software: Version.current), "application/json")
        case "jsonl": (text, type) = (recording.text, "application/jsonl")
        default: return .text("the parameter format must be svg, har or jsonl\n", status: .badRequest)
        }
        var answer = HTTPServerResponse.text(text, contentType: type + "; charset=utf-8")
        answer.headerFields[.contentDisposition] =
            "attachment; filename=\"connection-\(id).\(query["format"] ?? "")\""
        PageFile.secure(&answer)
        return answer
    }
}

/// A file of the page.
struct PageFile: Sendable {
    var name: String
    var type: String
    var bytes: [UInt8]

    static let all = [
        PageFile(name: "", type: "text/html", bytes: PackageResources.index_html),
        PageFile(name: "style.css", type: "text/css", bytes: PackageResources.style_css),
        PageFile(name: "app.js", type: "text/javascript", bytes: PackageResources.app_js),
        PageFile(name: "connections.js", type: "text/javascript", bytes: PackageResources.connections_js),
        PageFile(name: "diagram.js", type: "text/javascript", bytes: PackageResources.diagram_js),
        PageFile(name: "inspector.js", type: "text/javascript", bytes: PackageResources.inspector_js),
        PageFile(name: "attempt.js", type: "text/javascript", bytes: PackageResources.attempt_js),
    ]

    /// The response with the file, for a page at this path.
    func answer(at path: String) -> HTTPServerResponse {
        // The HTML refers to the other files by their paths.
        let body =
            name.isEmpty ? Array(String(decoding: bytes, as: UTF8.self).replacing("{base}", with: path).utf8) : bytes
        var answer = HTTPServerResponse(headerFields: [.contentType: type + "; charset=utf-8"], body: body)
        PageFile.secure(&answer)
        return answer
    }

    static func forbidden(_ reason: String) -> HTTPServerResponse {
        var answer = HTTPServerResponse.text(reason + "\n", status: .forbidden)
        secure(&answer)
        return answer
    }

    /// Forbids loading anything from other hosts, and showing the page in a frame.
    static func secure(_ answer: inout HTTPServerResponse) {
        answer.headerFields[.contentSecurityPolicy] =
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
            + "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        answer.headerFields[.xContentTypeOptions] = "nosniff"
        answer.headerFields[.cacheControl] = "no-store"
        if let name = HTTPField.Name("Cross-Origin-Resource-Policy") { answer.headerFields[name] = "same-origin" }
        // The address has the token.
        if let name = HTTPField.Name("Referrer-Policy") { answer.headerFields[name] = "no-referrer" }
    }
}
