/// The key of the opening handshake, and the value that answers it
/// ([RFC 6455 §1.3](https://www.rfc-editor.org/rfc/rfc6455#section-1.3)).
enum AcceptKey {
    /// Returns the value of `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key` (§4.2.2, item 5.4).
    static func answering(_ key: String) -> String {
        Base64.encode(SHA1.digest(of: Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)))
    }

    /// Returns a fresh `Sec-WebSocket-Key`: a nonce of sixteen random bytes in base64 (§4.1, item 7).
    static func nonce(_ random: inout RandomPool) -> String {
        var bytes: [UInt8] = []
        for _ in 0..<4 {
            let word = random.nextUInt32()
            bytes += [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: word >> UInt32($0)) }
        }
        return Base64.encode(bytes)
    }
}
