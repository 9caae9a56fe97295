import LifelineCore
import NIOCore
import Testing

@testable import Lifeline

extension EngineTests {
    /// What bytes, ends and failures do to a connection, whatever engine is below it.
    @Suite("The engine contract")
    struct EngineContractTests {
        private static let large = WireFrame.binary(Array(repeating: 7, count: 60_000)).bytes

        /// What a server's handler does, so that its connection is in a certain state when something happens to it.
        enum State: String, CaseIterable, Sendable {
            /// It receives nothing: reading is paused.
            case paused
            /// It sends without end, and the peer reads nothing: output waits.
            case full
            /// Both.
            case stuck
            /// It has closed, and waits for the answer.
            case closing
            /// It has closed, and its Close frame waits behind what the peer does not read.
            case closingFull
            /// The request is not there as a whole.
            case opening
            /// Nothing is up.
            case idle

            var path: String { "/\(rawValue)" }

            /// The words of the event that says that the connection is there.
            var word: String {
                switch self {
                case .paused: "reading paused"
                case .full, .closingFull: "writing paused"
                case .stuck: "reading paused"
                case .closing: "→ close"
                case .opening: "connected"
                case .idle: "101 sent"
                }
            }

            static func routes(_ routes: inout RouteGroup<Void>, _ gate: Gate) {
                let flood: @Sendable (WebSocket) async throws -> Void = { socket in
                    while true { try await socket.send([UInt8](repeating: 1, count: 50_000)) }
                }
                routes.route(State.paused.path) { _ in try await gate.wait() }
                routes.route(State.full.path) { socket in
                    async let all: Void = flood(socket)
                    for try await _ in socket {}
                    try await all
                }
                routes.route(State.stuck.path) { try await flood($0) }
                routes.route(State.closing.path) { try await $0.close() }
                routes.route(State.closingFull.path) { socket in
                    let message = PreparedMessage(ByteBuffer(repeating: 1, count: 50_000))
                    // More than the network takes, and less than would end the connection.
                    for _ in 0..<200 { socket.enqueue(message) }
                    try await socket.close()
                }
                routes.route(State.idle.path) { for try await _ in $0 {} }
            }

            /// Brings a connection into the state.
            func reach(_ running: EngineUnderTest.Running) async throws -> any ContractPeer {
                let socket: any ContractPeer
                if self == .opening {
                    socket = try running.connect()
                    try socket.send(Array("GET / HTTP/1.1\r\nHo".utf8))
                } else {
                    socket = try running.open(path, receiveBuffer: 8 << 10)
                }
                if self == .paused || self == .stuck { socket.flood(EngineContractTests.large) }
                try await eventually { running.recorder.words.contains { $0.hasPrefix(word) } }
                return socket
            }
        }

        static let states: [(EngineUnderTest, State)] = EngineUnderTest.all.flatMap { engine in
            State.allCases.map { (engine, $0) }
        }

        #if os(Linux)
        /// Is reported as skipped where the contract does not run on io_uring: a case that `Test.cancel` ends counts as passed.
        @Test("The contract runs on io_uring", .enabled(if: LinuxEngine.permitsUring, "this system has no io_uring"))
        func theContractRunsOnUring() {
            #expect(
                EngineUnderTest.all.map(\.name) == [
                    "nio", "epoll", "io_uring", "io_uring, crowded", "simulated", "simulated, crowded",
                ])
        }
        #endif

        // MARK: Ends

        @Test("A reset ends the connection at once in every state, and leaves no socket", arguments: states)
        func aResetEndsTheConnection(engine: EngineUnderTest, state: State) async throws {
            let gate = Gate()
            try await engine.serve {
                State.routes(&$0, gate)
            } body: { running in
                let base = running.sockets
                let socket = try await state.reach(running)
                let start = ContinuousClock.now
                socket.reset()
                try await eventually { running.has("TCP ended") && running.sockets.isSubset(of: base) }
                #expect(
                    start.duration(to: .now) < .seconds(10), "\(engine.name), \(state): \(running.recorder.words)")
                #expect(running.has("ended:") || state == .closing, "\(running.recorder.words)")
                gate.open()
            }
        }

        @Test(
            "A reset after the end of the peer's output ends the connection at once in every state", arguments: states)
        func aResetAfterTheEndEndsTheConnection(engine: EngineUnderTest, state: State) async throws {
            let gate = Gate()
            try await engine.serve {
                State.routes(&$0, gate)
            } body: { running in
                let base = running.sockets
                let socket = try await state.reach(running)
                socket.shutDown(.output)
                try await Task.sleep(for: .milliseconds(20))
                let start = ContinuousClock.now
                socket.reset()
                try await eventually { running.has("TCP ended") && running.sockets.isSubset(of: base) }
                #expect(
                    start.duration(to: .now) < .seconds(10), "\(engine.name), \(state): \(running.recorder.words)")
                gate.open()
            }
        }

        @Test(
            "A peer that closes its socket leaves no socket behind", arguments: EngineUnderTest.all,
            [State.idle, .opening, .closing])
        func aClosedSocketLeavesNothing(engine: EngineUnderTest, state: State) async throws {
            try await engine.serve {
                State.routes(&$0, Gate())
            } body: { running in
                let base = running.sockets
                let socket = try await state.reach(running)
                socket.close()
                try await eventually { running.has("TCP ended") && running.sockets.isSubset(of: base) }
            }
        }

        @Test(
            "Data that precedes the end of TCP is received in order and completely, however late it is read",
            arguments: EngineUnderTest.all)
        func dataBeforeTheEndIsReceived(engine: EngineUnderTest) async throws {
            let gate = Gate()
            let sizes = Collected<Int>()
            try await engine.serve {
                $0.route { socket in
                    try await gate.wait()
                    while let size = try await socket.receive({ $0.count }) { sizes.append(size) }
                }
            } body: { running in
                let socket = try running.open()
                let messages = (1...40).map { WireFrame.binary(Array(repeating: UInt8($0), count: $0 * 1000)).bytes }
                let all = Array(messages.joined()) + WireFrame.close(1000).bytes
                // More than the marks, and less than the network takes.
                try socket.send(all)
                socket.shutDown(.output)
                try await eventually { running.has("reading paused") }
                try await Task.sleep(for: .milliseconds(50))
                #expect(!running.has("TCP ended"), "\(running.recorder.words)")
                gate.open()
                try await eventually { running.has("TCP ended") }
                #expect(sizes.values == (1...40).map { $0 * 1000 })
                #expect(running.has("ended cleanly"), "\(running.recorder.words)")
                socket.close()
            }
        }

        @Test(
            "Data that precedes the close of a Unix domain socket is received, and waiting for it costs no processor time",
            arguments: EngineUnderTest.all.filter(\.readsOnBehindFailures))
        func dataBeforeAUnixSocketsCloseIsReceived(engine: EngineUnderTest) async throws {
            let gate = Gate()
            let sizes = Collected<Int>()
            try await engine.serve(at: EngineTests.UnixSocketFileTests.address()) {
                $0.route { socket in
                    try await gate.wait()
                    while let size = try await socket.receive({ $0.count }) { sizes.append(size) }
                }
            } body: { running in
                let socket = try running.open()
                for number in 1...20 {
                    try socket.send(WireFrame.binary(Array(repeating: 1, count: number * 500)).bytes)
                }
                try socket.send(WireFrame.close(1000).bytes)
                socket.close()
                let before = await running.processorTime()
                try await Task.sleep(for: .milliseconds(300))
                let used = await running.processorTime() - before
                #expect(used < .milliseconds(100), "the loop spins over what is not read")
                gate.open()
                try await eventually { running.has("TCP ended") }
                #expect(sizes.values == (1...20).map { $0 * 500 }, "\(running.recorder.words)")
            }
        }

        // MARK: Output that goes nowhere

        /// A handler that sends a little now and then, and what of its output had been written each time.
        private static func ticks(_ routes: inout RouteGroup<Void>, _ written: Collected<Int>) {
            routes.route { socket in
                async let ticking: Void = {
                    for _ in 0..<300 {
                        try await socket.send("tick")
                        try await Task.sleep(for: .milliseconds(10))
                    }
                }()
                async let looking: Void = {
                    while true {
                        written.append(await socket.handle.writtenSize())
                        try await Task.sleep(for: .milliseconds(20))
                    }
                }()
                for try await _ in socket {}
                _ = try await (ticking, looking)
            }
        }

        @Test(
            "A peer that takes no more output loses its connection within seconds, although it goes on sending",
            arguments: EngineUnderTest.all)
        func aPeerThatTakesNoMoreIsDisconnected(engine: EngineUnderTest) async throws {
            try await engine.serve(at: EngineTests.UnixSocketFileTests.address()) {
                Self.ticks(&$0, Collected())
            } body: { running in
                let socket = try running.open()
                socket.shutDown(.input)
                let start = ContinuousClock.now
                try await eventually { running.has("TCP ended") }
                #expect(start.duration(to: .now) < .seconds(10), "\(running.recorder.words)")
                #expect(running.has("ended:"), "\(running.recorder.words)")
                socket.close()
            }
        }

        @Test(
            "A Close frame from a peer that takes no more output is still received",
            arguments: EngineUnderTest.all.filter(\.readsOnBehindFailures))
        func aCloseFrameBehindAFailedWriteIsReceived(engine: EngineUnderTest) async throws {
            try await engine.serve(at: EngineTests.UnixSocketFileTests.address()) {
                Self.ticks(&$0, Collected())
            } body: { running in
                let socket = try running.open()
                socket.shutDown(.input)
                try await Task.sleep(for: .milliseconds(100))
                try socket.send(WireFrame.close(1001, "gone").bytes)
                try await eventually { running.has("TCP ended") }
                #expect(running.recorder.words.contains { $0.contains("gone") }, "\(running.recorder.words)")
                socket.close()
            }
        }

        @Test(
            "Output that is dropped does not count as written",
            arguments: EngineUnderTest.all.filter(\.readsOnBehindFailures))
        func droppedOutputIsNotCounted(engine: EngineUnderTest) async throws {
            let written = Collected<Int>()
            try await engine.serve(at: EngineTests.UnixSocketFileTests.address()) {
                Self.ticks(&$0, written)
            } body: { running in
                let socket = try running.connect()
                try socket.send(HandshakeText.request("/").bytes)
                var received = try socket.readHead().utf8.count
                try await eventually { written.count > 5 }
                socket.shutDown(.input)
                try await Task.sleep(for: .milliseconds(100))
                while case let count = try socket.receive(1000).count, count > 0 { received += count }
                let before = written.count
                try await eventually { written.count > before + 10 || running.has("TCP ended") }
                let later = written.values[before..<min(before + 10, written.count)].filter { $0 > 0 }
                #expect(!later.isEmpty && Set(later) == [received], "\(received) of \(written.values)")
                socket.close()
            }
        }

        @Test("A peer that never reads is disconnected after stallTimeout", arguments: EngineUnderTest.all)
        func aPeerThatNeverReadsIsDisconnected(engine: EngineUnderTest) async throws {
            try await engine.serve {
                $0.buffers.stallTimeout = .milliseconds(500)
                $0.endpoint.closeTimeout = .milliseconds(500)
            } routes: {
                State.routes(&$0, Gate())
            } body: { running in
                let socket = try await State.full.reach(running)
                try await eventually { running.has("TCP ended") }
                #expect(running.recorder.words.contains { $0.contains("stallTimeout") }, "\(running.recorder.words)")
                socket.close()
            }
        }

        // MARK: Bounds

        @Test("Buffered input exceeds the high-water mark by no more than one read", arguments: EngineUnderTest.all)
        func bufferedInputIsBounded(engine: EngineUnderTest) async throws {
            let sockets = Collected<WebSocket>()
            let gate = Gate()
            try await engine.serve {
                $0.route { socket in
                    sockets.append(socket)
                    try await gate.wait()
                }
            } body: { running in
                var peers: [any ContractPeer] = []
                for _ in 0..<8 {
                    let socket = try running.open()
                    socket.flood(Self.large)
                    peers.append(socket)
                }
                let mark = BufferLimits().inbound.high
                for socket in sockets.values {
                    let size = await socket.handle.heldSize()
                    #expect(size >= mark && size <= mark + 60_100 + engine.maximumRead, "\(engine.name): \(size)")
                }
                #expect(sockets.count == 8)
                for peer in peers { peer.reset() }
                try await eventually { running.has("TCP ended", 8) }
                gate.open()
            }
        }

        @Test("A shutdown does not wait for clients that neither read nor answer", arguments: EngineUnderTest.all)
        func aShutdownWithStuckClientsIsQuick(
            engine: EngineUnderTest
        ) async throws {
            // They stay open, and stuck, beyond the shutdown.
            var peers: [any ContractPeer] = []
            defer { for peer in peers { peer.close() } }
            try await engine.serve {
                State.routes(&$0, Gate())
            } body: { running in
                for _ in 0..<8 { peers.append(try await State.stuck.reach(running)) }
            }
        }

        // MARK: Bytes

        @Test("Messages of all sizes come back in order on many connections at once", arguments: EngineUnderTest.all)
        func messagesComeBackInOrder(engine: EngineUnderTest) async throws {
            try await engine.serve {
                // On a busy machine this takes so long that the server would send Pings between the echoes.
                $0.endpoint.heartbeat = .disabled
            } routes: {
                $0.route(handler: echo)
            } body: { running in
                var sockets: [any ContractPeer] = []
                for _ in 0..<24 { sockets.append(try running.open()) }
                for round in 0..<20 {
                    for (number, socket) in sockets.enumerated() {
                        let frames = (0..<8).flatMap {
                            WireFrame.binary(Array(repeating: UInt8(number), count: $0 * round * 40)).bytes
                        }
                        try socket.send(frames)
                    }
                    for (number, socket) in sockets.enumerated() {
                        let expected = (0..<8).flatMap {
                            WireFrame.binary(Array(repeating: UInt8(number), count: $0 * round * 40)).unmasked.bytes
                        }
                        var found: [UInt8] = []
                        while found.count < expected.count {
                            let more = try socket.receive(expected.count - found.count)
                            guard !more.isEmpty else { break }
                            found += more
                        }
                        #expect(found == expected, "\(engine.name), round \(round), connection \(number)")
                    }
                }
                for socket in sockets { socket.close() }
                try await eventually { running.has("TCP ended", 24) }
            }
        }
    }
}

extension ConnectionHandle {
    /// How many bytes of output have been written; 0 where the connection has ended.
    func writtenSize() async -> Int {
        await withUnsafeContinuation { continuation in
            loop.execute {
                let size = self.withConnection { connection in
                    connection.transport.map { connection.progress.handedOver - $0.pendingBytes } ?? 0
                }
                continuation.resume(returning: size ?? 0)
            }
        }
    }

    /// How many bytes the connection keeps for its application.
    func heldSize() async -> Int {
        await withUnsafeContinuation { continuation in
            loop.execute {
                continuation.resume(returning: self.withConnection { $0.inbox.size + $0.held.count } ?? 0)
            }
        }
    }
}
