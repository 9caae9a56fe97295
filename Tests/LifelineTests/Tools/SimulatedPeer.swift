import Foundation
import LifelineTesting
import NIOCore

@testable import Lifeline

/// The client's end of a connection on a simulated network that runs by itself, used like a blocking socket.
///
/// Like a socket, it reads only when the test receives. Unlike a socket, it accepts all bytes that the test sends, and keeps
/// those for which the network has no room.
final class SimulatedPeer: ContractPeer {
    enum Failure: Error {
        case refused
        case reset
        case timedOut
    }

    private let network: SimulatedNetwork
    private let transport: SimulatedTransport
    private let stream: Stream

    /// Connects to a server on an engine.
    init(_ engine: SimulatedEngine, _ address: ServerAddress) throws {
        network = engine.network
        (transport, stream) = try engine.network.performBlocking {
            guard let transport = engine.connect(to: address) else { throw Failure.refused }
            let stream = Stream(transport)
            transport.setReading(false)
            transport.begin(stream)
            return (transport, stream)
        }
    }

    deinit {
        close()
    }

    func send(_ bytes: [UInt8]) throws {
        let transport = transport
        try network.performBlocking { try SimulatedPeer.send(bytes, over: transport) }
    }

    private static func send(_ bytes: [UInt8], over transport: SimulatedTransport) throws {
        guard transport.user != nil, !transport.outputIsBroken else { throw Failure.reset }
        transport.write(ByteBuffer(bytes: bytes))
        transport.flush()
    }

    func flood(_ bytes: [UInt8]) {
        let transport = transport
        var idle = 0
        while idle < 20 {
            let hasSent = try? network.performBlocking {
                guard transport.waitingBytes == 0 else { return false }
                try SimulatedPeer.send(bytes, over: transport)
                return true
            }
            guard let hasSent else { return }
            if hasSent {
                idle = 0
            } else {
                idle += 1
                usleep(10_000)
            }
        }
    }

    func receive(_ most: Int) throws -> [UInt8] {
        let transport = transport
        return try stream.take(most) { [network] in network.execute { transport.setReading(true) } }
    }

    func shutDown(_ direction: StreamDirection) {
        let transport = transport
        network.execute {
            switch direction {
            case .input: transport.shutdownInput()
            case .output: transport.shutdownOutput()
            }
        }
    }

    func close() {
        let (transport, stream) = (transport, stream)
        network.execute {
            // A socket that is closed with unread input is reset.
            if stream.isEmpty { transport.close() } else { transport.reset() }
        }
    }

    func reset() {
        let transport = transport
        network.execute { transport.reset() }
    }

    /// What has arrived from the network and what the test has not received yet.
    private final class Stream: StreamUser, @unchecked Sendable {
        private enum End {
            case ended
            case reset
        }

        private unowned let transport: SimulatedTransport
        /// Protects everything below, and is signalled after each change.
        private let condition = NSCondition()
        private var bytes: [UInt8] = []
        private var end: End?
        /// Whether the transport has been told to read.
        private var isReading = false

        init(_ transport: SimulatedTransport) {
            self.transport = transport
        }

        var isEmpty: Bool { condition.withLock { bytes.isEmpty } }

        /// Waits for bytes, and calls `startReading` if none have arrived.
        func take(_ most: Int, _ startReading: () -> Void) throws -> [UInt8] {
            let deadline = Date(timeIntervalSinceNow: 5)
            condition.lock()
            defer { condition.unlock() }
            while bytes.isEmpty {
                switch end {
                case .ended: return []
                case .reset: throw Failure.reset
                case nil: break
                }
                if !isReading {
                    isReading = true
                    startReading()
                }
                guard condition.wait(until: deadline) else { throw Failure.timedOut }
            }
            defer { bytes.removeFirst(min(most, bytes.count)) }
            return Array(bytes.prefix(most))
        }

        private func change(_ body: () -> Void) {
            condition.withLock {
                body()
                condition.broadcast()
            }
        }

        func received(_ more: UnsafeMutableRawBufferPointer) {
            transport.setReading(false)
            change {
                bytes += more
                isReading = false
            }
        }

        func inputEnded() { change { end = end ?? .ended } }
        func failed(_ description: String, _ error: (any Error)?) { change { end = .reset } }
        func terminated() { change { end = end ?? .ended } }
        func outputDrained() {}
        func writabilityChanged(to isWritable: Bool) {}
    }
}

extension SimulatedNetwork {
    /// Runs a function as part of the network's work, and blocks until it has returned. Must not be called on the network's
    /// thread.
    func performBlocking<Value, Failure: Error>(
        _ body: @escaping @Sendable () throws(Failure) -> Value
    ) throws(Failure) -> Value {
        precondition(runsByItself && !isOnLoop, "the network cannot run while its thread is blocked")
        nonisolated(unsafe) var result: Result<Value, Failure>?
        let done = DispatchSemaphore(value: 0)
        execute {
            result = Result(catching: body)
            done.signal()
        }
        done.wait()
        return try result!.get()
    }

    /// Advances time in step with the system's clock until the task is cancelled.
    func followClock() async {
        let clock = ContinuousClock()
        var last = clock.now
        while (try? await clock.sleep(for: .milliseconds(5))) != nil {
            let now = clock.now
            await advanceWhenIdle(by: last.duration(to: now))
            last = now
        }
    }
}
