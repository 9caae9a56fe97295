import HTTPTypes
import LifelineCore
import LifelineTesting
import NIOCore
import Testing

@testable import Lifeline

/// SwiftNIO reads, and ends, a channel inside of a flush that fails; TLS reads inside of a write. None of it may reach a
/// connection whose handler is at work.
@Suite("Transport events during a call")
struct ReentrancyTests {
    @Test("A transport event during a handler's call reaches the handler after it has returned, in order")
    func theHandlerIsNotEnteredTwice() {
        let recorder = Recorder()
        let (network, transport) = open(recorder)
        // More than is corked, so that the echo is flushed from inside the handler; in fragments, so that what is lent
        // out lies in the endpoint and would be freed by the next read.
        let half = [UInt8](repeating: 7, count: 50_000)
        transport.whenFlushed = { connection in
            var more = WireFrame.text("behind").bytes
            more.withUnsafeMutableBytes { connection.received($0) }
            connection.terminated()
        }
        var frames =
            WireFrame.binary(half).unfinished.bytes + WireFrame.client(0, half).bytes
            + WireFrame.text("before").bytes
        frames.withUnsafeMutableBytes { transport.connection?.received($0) }
        network.run()
        #expect(recorder.words == ["begin 100000", "end 7", "begin 6", "end 98", "begin 6", "end 98", "closed"])
    }

    /// A connection to a handler that echoes, opened.
    private func open(_ recorder: Recorder) -> (SimulatedNetwork, ReportingTransport) {
        let network = SimulatedNetwork()
        let loop = Loop(driver: network, random: RandomPool(SplitMix64(seed: 1)))
        var server = WebSocketServer.forTests()
        server.routeOnLoop("/") { _ in RecordingEcho(recorder: recorder) }
        let runtime = try! ServerRuntime(configuration: server.configuration, routes: server.root.routes)
        let transport = ReportingTransport()
        let connection = Connection(
            loop: loop, id: 1, transport: transport, owner: runtime, settings: ConnectionSettings(BufferLimits(), []),
            endpoint: Endpoint(server: .server, at: network.now(), random: &loop.random))
        transport.connection = connection
        connection.established()
        var request = HandshakeText.request("/").bytes
        request.withUnsafeMutableBytes { connection.received($0) }
        network.run()
        return (network, transport)
    }
}

private final class Recorder: @unchecked Sendable {
    var words: [String] = []
}

/// Notes when it is entered and left, and looks at the message once more after it has sent it.
private struct RecordingEcho: OnLoopHandler {
    let recorder: Recorder

    func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {
        recorder.words.append("begin \(message.count)")
        socket.send(message)
        recorder.words.append("end \(message.withUnsafeBytes { $0[0] })")
    }

    func closed(_ outcome: CloseOutcome, on socket: OnLoopWebSocket) {
        recorder.words.append("closed")
    }
}

/// Takes everything, and reports from inside of its first flush that follows.
private final class ReportingTransport: Transport {
    weak var connection: Connection?
    var whenFlushed: ((Connection) -> Void)?
    let isWritable = true

    func write(_ block: OutputBlock) {
        block.deallocate()
    }

    func write(_ payload: ByteBuffer) {}
    func write(lent payload: UnsafeRawBufferPointer) {}

    func flush() {
        guard let report = whenFlushed.take(), let connection else { return }
        report(connection)
    }

    func setReading(_ reads: Bool) {}
    func setOutboundMarks(_ marks: BufferLimits.Marks) {}
    func shutdownOutput() {}
    func close() {}
    func abort() {}
}
