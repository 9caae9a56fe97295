import HTTPTypes
import LifelineCore

/// An opening handshake packed into one block of memory. Every open connection keeps its handshake but rarely reads it,
/// and the unpacked header fields would take dozens of allocations.
///
/// Each string is preceded by its length plus one; an absent string is a zero.
struct PackedHandshake: Sendable {
    private let bytes: [UInt8]

    init(_ request: HTTPRequest, _ response: HTTPResponse, _ agreement: HandshakeAgreement) {
        var writer = Writer()
        writer.write(request.method.rawValue)
        writer.write(request.scheme)
        writer.write(request.authority)
        writer.write(request.path)
        writer.write(request.extendedConnectProtocol)
        writer.write(request.headerFields)
        writer.write(UInt(response.status.code))
        writer.write(response.status.reasonPhrase)
        writer.write(response.headerFields)
        writer.write(agreement.subprotocol)
        writer.write(UInt(agreement.extensions.count))
        for one in agreement.extensions {
            writer.write(one.name)
            writer.write(UInt(one.parameters.count))
            for parameter in one.parameters {
                writer.write(parameter.name)
                writer.write(parameter.value)
            }
        }
        writer.write(agreement.compression.map(PackedHandshake.pack) ?? 0)
        // Copied, so that the array has no spare capacity.
        bytes = Array(unsafeUninitializedCapacity: writer.bytes.count) { buffer, count in
            count = buffer.initialize(fromContentsOf: writer.bytes)
        }
    }

    func unpack() -> (request: HTTPRequest, response: HTTPResponse, agreement: HandshakeAgreement) {
        var reader = Reader(bytes: bytes[...])
        // The values were valid when they were packed, so the defaults are never used.
        var request = HTTPRequest(
            method: HTTPRequest.Method(reader.text()) ?? .get, scheme: reader.optionalText(),
            authority: reader.optionalText(), path: reader.optionalText())
        request.extendedConnectProtocol = reader.optionalText()
        request.headerFields = reader.fields()
        let status = HTTPResponse.Status(code: Int(reader.number()), reasonPhrase: reader.text())
        let response = HTTPResponse(status: status, headerFields: reader.fields())
        let subprotocol = reader.optionalText()
        let extensions = (0..<reader.number()).map { _ in
            let name = reader.text()
            return WebSocketExtension(
                name: name,
                parameters: (0..<reader.number()).map { _ in
                    WebSocketExtension.Parameter(name: reader.text(), value: reader.optionalText())
                })
        }
        let compression = PackedHandshake.unpackCompression(reader.number())
        return (
            request, response,
            HandshakeAgreement(subprotocol: subprotocol, extensions: extensions, compression: compression)
        )
    }

    /// Packs the agreement into a number other than 0.
    private static func pack(_ compression: PerMessageDeflate) -> UInt {
        1 | (compression.serverNoContextTakeover ? 2 : 0) | (compression.clientNoContextTakeover ? 4 : 0)
            | UInt(compression.serverMaxWindowBits) << 3 | UInt(compression.clientMaxWindowBits) << 7
    }

    private static func unpackCompression(_ number: UInt) -> PerMessageDeflate? {
        guard number != 0 else { return nil }
        return PerMessageDeflate(
            serverNoContextTakeover: number & 2 != 0, clientNoContextTakeover: number & 4 != 0,
            serverMaxWindowBits: Int(number >> 3 & 15), clientMaxWindowBits: Int(number >> 7 & 15))
    }

    private struct Writer {
        var bytes: [UInt8] = []

        /// Writes seven bits per byte, the lowest first.
        mutating func write(_ number: UInt) {
            var rest = number
            while rest >= 0x80 {
                bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
                rest >>= 7
            }
            bytes.append(UInt8(rest))
        }

        mutating func write(_ text: String?) {
            guard let text else { return write(0 as UInt) }
            write(UInt(text.utf8.count) + 1)
            bytes += text.utf8
        }

        mutating func write(_ fields: HTTPFields) {
            write(UInt(fields.count))
            for field in fields {
                write(field.name.rawName)
                write(field.value)
            }
        }
    }

    private struct Reader {
        var bytes: ArraySlice<UInt8>

        mutating func number() -> UInt {
            var number: UInt = 0
            var shift: UInt = 0
            while let byte = bytes.popFirst() {
                number |= UInt(byte & 0x7F) << shift
                shift += 7
                if byte & 0x80 == 0 { break }
            }
            return number
        }

        mutating func optionalText() -> String? {
            let length = Int(number())
            guard length > 0 else { return nil }
            defer { bytes = bytes.dropFirst(length - 1) }
            return String(decoding: bytes.prefix(length - 1), as: UTF8.self)
        }

        mutating func text() -> String { optionalText() ?? "" }

        mutating func fields() -> HTTPFields {
            var fields = HTTPFields()
            for _ in 0..<number() {
                let name = text()
                let value = text()
                if let name = HTTPField.Name(name) { fields.append(HTTPField(name: name, value: value)) }
            }
            return fields
        }
    }
}
