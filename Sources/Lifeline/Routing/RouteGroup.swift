public import HTTPTypes

/// Routes that share a prefix of their paths, a configuration and an authorisation.
///
/// ```swift
/// server.group("/api") { request in
///     guard let user = try await users.verify(request.headerFields[.authorization]) else {
///         throw HandshakeRefusal(.unauthorized, headerFields: [.wwwAuthenticate: "Bearer"])
///     }
///     return user
/// } routes: { api in
///     api.route("/rooms/{room}") { socket, user in
///         try await socket.send("Hello \(user.name), this is \(socket.handshake.parameters["room"] ?? "")")
///     }
///     api.respond(at: "/me") { request, user in .text(user.name) }
/// }
/// ```
///
/// `Value` is what the authorisation returns, and what each route's handler receives. It is `Void` in a group without
/// an authorisation.
public struct RouteGroup<Value: Sendable>: Sendable {
    /// How the group authorises a request.
    enum Authorization: Sendable {
        /// Every request is authorised, with this value.
        case always(Value)
        /// The application returns the value, or refuses.
        case asking(@Sendable (ServerRequest) async throws -> Value)
    }

    let prefix: String
    let configure: [ConfigureRoute]
    let authorization: Authorization
    var routes = Routes()

    init(prefix: String, configure: [ConfigureRoute], _ authorization: Authorization) {
        if !prefix.isEmpty, !prefix.hasPrefix("/") || prefix.hasSuffix("/") {
            fatalError("the prefix of a group must begin with / and must not end with it, and \(prefix) does not")
        }
        self.prefix = prefix
        self.configure = configure
        self.authorization = authorization
    }

    // MARK: WebSockets

    /// Adds a WebSocket route with an asynchronous handler; see
    /// ``WebSocketServer/route(_:subprotocols:configure:handler:)``.
    ///
    /// - Parameters:
    ///   - path: The rest of the path after the group's prefix; empty for the prefix itself.
    ///   - subprotocols: The subprotocols that the handler supports, in order of preference. Default: the group's.
    ///   - configure: Changes the configuration, which begins as the group's.
    ///   - handler: Handles a connection, with the value that the group's authorisation returned.
    public mutating func route(
        _ path: String, subprotocols: [String] = [],
        configure: @escaping @Sendable (inout RouteConfiguration) -> Void = { _ in },
        handler: @escaping @Sendable (WebSocket, Value) async throws -> Void
    ) {
        add(path, subprotocols, configure) { value in .task { socket in try await handler(socket, value) } }
    }

    /// Adds a WebSocket route with a handler that runs on the connection's event loop; see
    /// ``WebSocketServer/routeOnLoop(_:subprotocols:configure:makeHandler:)``.
    ///
    /// - Parameters:
    ///   - path: The rest of the path after the group's prefix; empty for the prefix itself.
    ///   - subprotocols: The subprotocols that the handler supports, in order of preference. Default: the group's.
    ///   - configure: Changes the configuration, which begins as the group's.
    ///   - makeHandler: Makes the handler of a connection, with the value that the group's authorisation returned;
    ///     called on the connection's event loop.
    public mutating func routeOnLoop(
        _ path: String, subprotocols: [String] = [],
        configure: @escaping @Sendable (inout RouteConfiguration) -> Void = { _ in },
        makeHandler: @escaping @Sendable (WebSocketHandshake, Value) -> any OnLoopHandler
    ) {
        add(path, subprotocols, configure) { value in .onLoop { handshake in makeHandler(handshake, value) } }
    }

    /// Adds a WebSocket route whose requests the application accepts or refuses after the group's authorisation, with an
    /// asynchronous handler; see ``WebSocketServer/route(_:subprotocols:configure:upgrade:handler:)``.
    ///
    /// - Parameters:
    ///   - path: The rest of the path after the group's prefix; empty for the prefix itself.
    ///   - subprotocols: The subprotocols that the handler supports, in order of preference. Default: the group's.
    ///   - configure: Changes the configuration, which begins as the group's.
    ///   - upgrade: Decides about a request, with the value that the group's authorisation returned.
    ///   - handler: Handles a connection, with the value that `upgrade` accepted it with.
    public mutating func route<Accepted: Sendable>(
        _ path: String, subprotocols: [String] = [],
        configure: @escaping @Sendable (inout RouteConfiguration) -> Void = { _ in },
        upgrade: @escaping @Sendable (ServerRequest, Value) async throws -> UpgradeAcceptance<Accepted>,
        handler: @escaping @Sendable (WebSocket, Accepted) async throws -> Void
    ) {
        add(path, subprotocols, configure, upgrade) { value in
            .task { socket in try await handler(socket, value) }
        }
    }

    /// Adds a WebSocket route whose requests the application accepts or refuses after the group's authorisation, with a
    /// handler that runs on the connection's event loop; see
    /// ``WebSocketServer/routeOnLoop(_:subprotocols:configure:upgrade:makeHandler:)``.
    ///
    /// - Parameters:
    ///   - path: The rest of the path after the group's prefix; empty for the prefix itself.
    ///   - subprotocols: The subprotocols that the handler supports, in order of preference. Default: the group's.
    ///   - configure: Changes the configuration, which begins as the group's.
    ///   - upgrade: Decides about a request, with the value that the group's authorisation returned.
    ///   - makeHandler: Makes the handler of a connection, with the value that `upgrade` accepted it with; called on the
    ///     connection's event loop.
    public mutating func routeOnLoop<Accepted: Sendable>(
        _ path: String, subprotocols: [String] = [],
        configure: @escaping @Sendable (inout RouteConfiguration) -> Void = { _ in },
        upgrade: @escaping @Sendable (ServerRequest, Value) async throws -> UpgradeAcceptance<Accepted>,
        makeHandler: @escaping @Sendable (WebSocketHandshake, Accepted) -> any OnLoopHandler
    ) {
        add(path, subprotocols, configure, upgrade) { value in
            .onLoop { handshake in makeHandler(handshake, value) }
        }
    }

    // MARK: HTTP

    /// Answers ordinary HTTP requests after the group's authorisation; see ``WebSocketServer/respond(to:at:_:)``.
    ///
    /// - Parameters:
    ///   - methods: The methods of the requests. Default: GET and HEAD.
    ///   - path: The rest of the path after the group's prefix; empty for the prefix itself.
    ///   - response: Makes the response, with the value that the group's authorisation returned.
    public mutating func respond(
        to methods: HTTPRequest.Method..., at path: String,
        _ response: @escaping @Sendable (ServerRequest, Value) async throws -> HTTPServerResponse
    ) {
        let methods = methods.isEmpty ? [.get, .head] : methods
        switch authorization {
        case .always(let value):
            routes.add(prefix + path, methods: methods) { request in try await response(request, value) }
        case .asking(let authorize):
            routes.add(prefix + path, methods: methods) { request in
                try await response(request, try await authorize(request))
            }
        }
    }

    // MARK: Groups

    /// Adds routes that share a longer prefix and a configuration; see ``WebSocketServer/group(_:configure:routes:)``.
    ///
    /// - Parameters:
    ///   - prefix: The rest of the prefix; empty for routes that only share a configuration.
    ///   - configure: Changes the configuration, which begins as this group's.
    ///   - add: Adds the routes.
    public mutating func group(
        _ prefix: String, configure: @escaping @Sendable (inout RouteConfiguration) -> Void = { _ in },
        routes add: (inout RouteGroup<Value>) -> Void
    ) {
        var group = RouteGroup(
            prefix: self.prefix + prefix, configure: self.configure + [configure], authorization)
        add(&group)
        routes.add(group.routes)
    }

    /// Adds routes that share a longer prefix, a configuration and a further authorisation, which has the value of this
    /// group's; see ``WebSocketServer/group(_:configure:authorize:routes:)``.
    ///
    /// - Parameters:
    ///   - prefix: The rest of the prefix; empty for routes that only share a configuration.
    ///   - configure: Changes the configuration, which begins as this group's.
    ///   - narrow: Returns the value for the routes' handlers, or throws a `HandshakeRefusal`.
    ///   - add: Adds the routes.
    public mutating func group<Narrowed: Sendable>(
        _ prefix: String, configure: @escaping @Sendable (inout RouteConfiguration) -> Void = { _ in },
        authorize narrow: @escaping @Sendable (ServerRequest, Value) async throws -> Narrowed,
        routes add: (inout RouteGroup<Narrowed>) -> Void
    ) {
        var group = RouteGroup<Narrowed>(
            prefix: self.prefix + prefix, configure: self.configure + [configure],
            .asking { [authorization] request in try await narrow(request, try await authorization.value(for: request))
            })
        add(&group)
        routes.add(group.routes)
    }

    // MARK: Adding

    private mutating func add(
        _ path: String, _ subprotocols: [String], _ configure: @escaping ConfigureRoute,
        _ target: @escaping @Sendable (Value) -> Route.Target
    ) {
        let opening: Route.Opening =
            switch authorization {
            case .always(let value): .always(target(value))
            case .asking(let authorize): .deciding { request in .accept(target(try await authorize(request))) }
            }
        add(path, subprotocols, configure, opening)
    }

    private mutating func add<Accepted>(
        _ path: String, _ subprotocols: [String], _ configure: @escaping ConfigureRoute,
        _ upgrade: @escaping @Sendable (ServerRequest, Value) async throws -> UpgradeAcceptance<Accepted>,
        _ target: @escaping @Sendable (Accepted) -> Route.Target
    ) {
        let opening = Route.Opening.deciding { [authorization] request in
            try await upgrade(request, try await authorization.value(for: request)).map(target)
        }
        add(path, subprotocols, configure, opening)
    }

    fileprivate mutating func add(
        _ path: String, _ subprotocols: [String], _ configure: @escaping ConfigureRoute, _ opening: Route.Opening
    ) {
        let setsSubprotocols: ConfigureRoute = { configuration in
            if !subprotocols.isEmpty { configuration.subprotocols = subprotocols }
        }
        routes.add(
            prefix + path, Route(configure: self.configure + [setsSubprotocols, configure], opening: opening))
    }
}

extension RouteGroup.Authorization {
    func value(for request: ServerRequest) async throws -> Value {
        switch self {
        case .always(let value): value
        case .asking(let authorize): try await authorize(request)
        }
    }
}

/// Groups without an authorisation, whose handlers receive no value.
extension RouteGroup where Value == Void {
    /// Adds a WebSocket route with an asynchronous handler; see
    /// ``WebSocketServer/route(_:subprotocols:configure:handler:)``.
    public mutating func route(
        _ path: String, subprotocols: [String] = [],
        configure: @escaping @Sendable (inout RouteConfiguration) -> Void = { _ in },
        handler: @escaping @Sendable (WebSocket) async throws -> Void
    ) {
        add(path, subprotocols, configure, .always(.task(handler)))
    }

    /// Adds a WebSocket route with a handler that runs on the connection's event loop; see
    /// ``WebSocketServer/routeOnLoop(_:subprotocols:configure:makeHandler:)``.
    public mutating func routeOnLoop(
        _ path: String, subprotocols: [String] = [],
        configure: @escaping @Sendable (inout RouteConfiguration) -> Void = { _ in },
        makeHandler: @escaping @Sendable (WebSocketHandshake) -> any OnLoopHandler
    ) {
        add(path, subprotocols, configure, .always(.onLoop(makeHandler)))
    }

    /// Adds a WebSocket route whose requests the application accepts or refuses, with an asynchronous handler; see
    /// ``WebSocketServer/route(_:subprotocols:configure:upgrade:handler:)``.
    public mutating func route<Accepted: Sendable>(
        _ path: String, subprotocols: [String] = [],
        configure: @escaping @Sendable (inout RouteConfiguration) -> Void = { _ in },
        upgrade: @escaping @Sendable (ServerRequest) async throws -> UpgradeAcceptance<Accepted>,
        handler: @escaping @Sendable (WebSocket, Accepted) async throws -> Void
    ) {
        let opening = Route.Opening.deciding { request in
            try await upgrade(request).map { value in .task { socket in try await handler(socket, value) } }
        }
        add(path, subprotocols, configure, opening)
    }

    /// Adds a WebSocket route whose requests the application accepts or refuses, with a handler that runs on the
    /// connection's event loop; see
    /// ``WebSocketServer/routeOnLoop(_:subprotocols:configure:upgrade:makeHandler:)``.
    public mutating func routeOnLoop<Accepted: Sendable>(
        _ path: String, subprotocols: [String] = [],
        configure: @escaping @Sendable (inout RouteConfiguration) -> Void = { _ in },
        upgrade: @escaping @Sendable (ServerRequest) async throws -> UpgradeAcceptance<Accepted>,
        makeHandler: @escaping @Sendable (WebSocketHandshake, Accepted) -> any OnLoopHandler
    ) {
        let opening = Route.Opening.deciding { request in
            try await upgrade(request).map { value in .onLoop { handshake in makeHandler(handshake, value) } }
        }
        add(path, subprotocols, configure, opening)
    }

    /// Answers ordinary HTTP requests; see ``WebSocketServer/respond(to:at:_:)``.
    public mutating func respond(
        to methods: HTTPRequest.Method..., at path: String,
        _ response: @escaping @Sendable (ServerRequest) async throws -> HTTPServerResponse
    ) {
        routes.add(prefix + path, methods: methods.isEmpty ? [.get, .head] : methods, response)
    }

    /// Adds routes that share a longer prefix, a configuration and an authorisation; see
    /// ``WebSocketServer/group(_:configure:authorize:routes:)``.
    public mutating func group<Authorized: Sendable>(
        _ prefix: String, configure: @escaping @Sendable (inout RouteConfiguration) -> Void = { _ in },
        authorize: @escaping @Sendable (ServerRequest) async throws -> Authorized,
        routes add: (inout RouteGroup<Authorized>) -> Void
    ) {
        var group = RouteGroup<Authorized>(
            prefix: self.prefix + prefix, configure: self.configure + [configure], .asking(authorize))
        add(&group)
        routes.add(group.routes)
    }
}
