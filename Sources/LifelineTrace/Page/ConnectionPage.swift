public import Lifeline

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A page that shows every connection of a server as it happens: a list, and the diagram of each, growing.
///
/// ```swift
/// var server = WebSocketServer(address: .hostname("127.0.0.1", port: 8080))
/// ConnectionPage().mount(on: &server)         // http://127.0.0.1:8080/lifeline
/// ```
///
/// It needs nothing but itself: no other host, no build. It is shown to this machine alone, unless there is a token, which
/// is asked for then: `/lifeline?token=…`.
public struct ConnectionPage: Sendable {
    /// What is kept, and shown.
    public let board: ConnectionBoard
    /// What must stand in the page's address for it to be shown; `nil`, the default, shows it to this machine alone.
    public var token: String?
    /// The paths that a visitor is offered to try, besides the page's own, which shows all nine steps. Default: none.
    public var places: [String] = []
    /// Whose connections are shown, in a line at the page's top. Default: empty, which says nothing.
    public var subject = ""

    /// A page.
    public init(board: ConnectionBoard = ConnectionBoard(), token: String? = nil) {
        self.board = board
        self.token = token
    }

    /// Adds the page to a server, and has it observe.
    ///
    /// - Parameters:
    ///   - server: The server, before it runs.
    ///   - path: Where the page is, without a slash at its end. Default: `/lifeline`.
    ///   - observes: Whether the server's own connections are shown. Default: `true`. Without, the page shows what the
    ///     board is told of by others (``ConnectionBoard/record(_:at:)``), and has no path of its own to try; where there are no
    ///     ``places`` either, nothing is offered to be tried.
    public func mount(on server: inout WebSocketServer, at path: String = "/lifeline", observes: Bool = true) {
        if observes { server.observers.append(board) }
        if observes {
            board.leaveOut(PageFile.all.map { $0.name.isEmpty ? path : path + "/" + $0.name } + [path + "/export"])
        }
        let page = self
        for file in PageFile.all {
            server.page(file.name.isEmpty ? path : path + "/" + file.name) { request, remoteAddress in
                page.allows(request, remoteAddress) ? file.answer(at: path) : PageFile.forbidden
            }
        }
        server.page(path + "/export") { request, remoteAddress in
            page.allows(request, remoteAddress) ? page.export(request) : PageFile.forbidden
        }
        let places = (observes ? [path + "/try"] : []) + places
        server.route(path + "/socket") { socket in
            guard page.allows(socket.handshake.request, socket.handshake.remoteAddress) else {
                _ = try await socket.close(code: .policyViolation, reason: "only from this machine, or with the token")
                return
            }
            try await PageConversation(
                board: page.board, subject: page.subject, places: places, socket: socket, isShown: observes
            ).run()
        }
        if observes { server.route(path + "/try") { try await ConnectionPage.try($0) } }
    }

    /// All that there is to see, upon the first message: an answer, a Ping and an update that nobody asked for.
    private static func `try`(_ socket: WebSocket) async throws {
        var isFirst = true
        for try await message in socket {
            try await socket.send(message)
            guard isFirst else { continue }
            isFirst = false
            _ = try await socket.ping()
            try await socket.send("an update that nobody asked for")
        }
    }

    // MARK: Access

    /// Whether a request may see the page.
    func allows(_ request: HTTPRequest, _ remoteAddress: String) -> Bool {
        if let token { return ConnectionPage.isSame(ConnectionPage.query(request)["token"] ?? "", token) }
        // A name of a stranger's that leads to this machine would let the stranger's page in (DNS rebinding).
        return ConnectionPage.isLoopback(ConnectionPage.host(of: remoteAddress))
            && ConnectionPage.isLoopback(ConnectionPage.host(of: request.authority ?? ""))
    }

    /// Whether two texts are the same, in a time that does not tell where they differ.
    private static func isSame(_ left: String, _ right: String) -> Bool {
        let (left, right) = (Array(left.utf8), Array(right.utf8))
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }

    static func host(of authority: String) -> String {
        if authority.hasPrefix("[") { return String(authority.dropFirst().prefix { $0 != "]" }) }
        let colons = authority.count { $0 == ":" }
        return colons > 1 ? authority : String(authority.prefix { $0 != ":" })
    }

    static func isLoopback(_ host: String) -> Bool {
        if host == "localhost" || host == "::1" || host.hasPrefix("::ffff:127.") { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    private static func query(_ request: HTTPRequest) -> [String: String] {
        // Of one that is there twice the last counts.
        Dictionary(
            (request.path ?? "").queryParameters.map { ($0.name, $0.value) }, uniquingKeysWith: { _, last in last })
    }

    // MARK: Export

    /// A connection as SVG, HAR or JSON Lines, for the visitor to keep.
    private func export(_ request: HTTPRequest) -> HTTPAnswer {
        let query = ConnectionPage.query(request)
        guard let id = query["connection"].flatMap({ UInt64($0) }) else {
            return .text("connection=NUMBER is needed\n", status: .badRequest)
        }
        let recording = board.recording(of: id)
        guard !recording.events.isEmpty else {
            return .text("there is no connection \(id), or it is forgotten\n", status: .notFound)
        }
        let (text, type): (String, String)
        switch query["format"] {
        case "svg": (text, type) = (SVGRenderer().render(SequenceDiagram(id, of: recording)), "image/svg+xml")
        case "har": (text, type) = (HAR.write(recording, software: "lifeline"), "application/json")
        case "jsonl": (text, type) = (recording.text, "application/jsonl")
        default: return .text("format=svg, har or jsonl is needed\n", status: .badRequest)
        }
        var answer = HTTPAnswer.text(text, contentType: type + "; charset=utf-8")
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

    /// The file, as the page at a path needs it.
    func answer(at path: String) -> HTTPAnswer {
        // The page itself says where the others are.
        let body =
            name.isEmpty ? Array(String(decoding: bytes, as: UTF8.self).replacing("{base}", with: path).utf8) : bytes
        var answer = HTTPAnswer(headerFields: [.contentType: type + "; charset=utf-8"], body: body)
        PageFile.secure(&answer)
        return answer
    }

    static var forbidden: HTTPAnswer {
        var answer = HTTPAnswer.text(
            "This page is shown to the machine that it runs on, or with its token: ?token=…\n", status: .forbidden)
        secure(&answer)
        return answer
    }

    /// Nothing from elsewhere is loaded, and nobody else shows it.
    static func secure(_ answer: inout HTTPAnswer) {
        answer.headerFields[.contentSecurityPolicy] =
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
            + "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        answer.headerFields[.xContentTypeOptions] = "nosniff"
        answer.headerFields[.cacheControl] = "no-store"
        // The token stands in the address.
        if let name = HTTPField.Name("Referrer-Policy") { answer.headerFields[name] = "no-referrer" }
    }
}
