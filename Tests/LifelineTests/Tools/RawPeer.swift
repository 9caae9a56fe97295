import LifelineTesting
import NIOCore

@testable import LifelineCore

/// A peer that speaks bytes, right or wrong ones.
final class RawPeer: StreamUser, @unchecked Sendable {
    let transport: SimulatedTransport
    /// What has arrived, and no test has taken yet.
    private(set) var bytes: [UInt8] = []
    /// Whether the other side has ended its side of TCP.
    private(set) var inputHasEnded = false
    /// Whether the other side has reset the connection.
    private(set) var wasReset = false
    private(set) var isTerminated = false

    /// Whether the other side has ended the connection, in whichever way.
    var isOver: Bool { inputHasEnded || wasReset }

    init(_ transport: SimulatedTransport) {
        self.transport = transport
        transport.begin(self)
    }

    /// Sends bytes.
    func send(_ bytes: [UInt8]) {
        transport.write(.init(bytes: bytes))
        transport.flush()
    }

    /// Sends text.
    func send(_ text: String) {
        send(Array(text.utf8))
    }

    /// Sends frames, masked as a client must.
    func send(_ frames: WireFrame...) {
        send(frames.flatMap(\.bytes))
    }

    /// What has arrived so far, which is forgotten here.
    func takeBytes() -> [UInt8] {
        defer { bytes = [] }
        return bytes
    }

    /// Ends its side of TCP.
    func end() {
        transport.shutdownOutput()
    }

    /// Keeps bytes after all that were taken.
    func giveBack(_ rest: [UInt8]) {
        bytes = rest + bytes
    }

    /// What has arrived so far as text, which is forgotten here.
    func takeText() -> String {
        String(decoding: takeBytes(), as: UTF8.self)
    }

    /// The frames that have arrived so far, which are forgotten here.
    func takeFrames() throws -> [WireFrame] {
        try WireFrame.parse(takeBytes())
    }

    /// Answers the request, once it has come, with a 101, and sends bytes behind it in the same packet.
    func answer(behind bytes: [UInt8] = []) {
        onHead = { [unowned self] head in
            let key = head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("sec-websocket-key: ") }
            let accept = AcceptKey.answering(String(key?.dropFirst(19) ?? ""))
            send(HandshakeText.switchingProtocols(accept: accept).bytes + bytes)
        }
    }

    /// What to do with the head that comes first.
    private var onHead: ((String) -> Void)?

    // MARK: StreamUser

    func received(_ bytes: UnsafeMutableRawBufferPointer) {
        self.bytes += bytes
        if let onHead, let head = takeHead() {
            self.onHead = nil
            onHead(head)
        }
    }

    func inputEnded() { inputHasEnded = true }
    func failed(_ description: String, _ error: (any Error)?) { wasReset = true }
    func outputDrained() {}
    func writabilityChanged(to isWritable: Bool) {}
    func terminated() { isTerminated = true }
}
