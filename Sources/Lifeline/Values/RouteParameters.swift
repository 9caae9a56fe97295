import HTTPTypes
public import LifelineCore

/// The values that a request's path has for the parameters of its route, such as `room` in `/rooms/{room}`.
///
/// Values are percent-decoded. The value of a parameter in the middle of a path may therefore contain `/`, if the client
/// sent `%2F`, and a value may be `..`: check it before you use it as the name of a file.
public struct RouteParameters: Hashable, Sendable {
    struct Parameter: Hashable, Sendable {
        var name: String
        var value: String
    }

    private let parameters: [Parameter]

    init(_ parameters: [Parameter] = []) {
        self.parameters = parameters
    }

    /// The value of a parameter; `nil` if the route has no parameter with this name.
    public subscript(name: String) -> String? {
        parameters.first { $0.name == name }?.value
    }

    /// The names of the parameters, in the order in which they appear in the path.
    public var names: [String] { parameters.map(\.name) }

    /// Returns the value of a parameter as a number or another type that a text describes.
    ///
    /// ```swift
    /// server.route("/orders/{order}") { upgrade in
    ///     .accept(try upgrade.parameters.require("order", as: Int.self))
    /// } handler: { socket, order in
    ///     try await socket.send("order \(order)")
    /// }
    /// ```
    ///
    /// - Parameters:
    ///   - name: The name of a parameter of the route.
    ///   - type: The type of the value.
    /// - Throws: A refusal with 404 if the text does not describe such a value: the path names nothing.
    /// - Precondition: The route has a parameter with this name.
    public func require<Value: LosslessStringConvertible>(
        _ name: String, as type: Value.Type = Value.self
    ) throws(HandshakeRefusal) -> Value {
        guard let text = self[name] else {
            preconditionFailure("the route has no parameter \(name); it has \(names.joined(separator: ", "))")
        }
        guard let value = Value(text) else {
            throw HandshakeRefusal(
                reason: .notFound, status: .notFound,
                message: "nothing is served at this path: \(name) must be of type \(type)")
        }
        return value
    }
}
