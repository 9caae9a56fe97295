import LifelineTestSupport

extension RawPeer {
    /// Sends a head.
    func send(_ head: HandshakeText) {
        send(head.bytes)
    }

    /// The head that has arrived, which is forgotten here, and what is behind it is kept; `nil` where none is complete.
    func takeHead() -> String? {
        let bytes = takeBytes()
        let places = 0..<max(bytes.count - 3, 0)
        let end = places.first { bytes[$0] == 13 && bytes[$0 + 1] == 10 && bytes[$0 + 2] == 13 && bytes[$0 + 3] == 10 }
        guard let end else {
            giveBack(bytes)
            return nil
        }
        giveBack(Array(bytes[(end + 4)...]))
        return String(decoding: bytes[..<end], as: UTF8.self)
    }
}
