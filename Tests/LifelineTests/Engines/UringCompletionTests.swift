#if os(Linux) && DEBUG
import CLifelineLinux
import Synchronization
import Testing

@testable import Lifeline

#if canImport(Musl)
import Musl
#else
import Glibc
#endif

extension EngineTests {
    /// io_uring reports failures as completions: each kind of operation's n-th is made to fail.
    @Suite("Failed completions", .enabled(if: LinuxEngine.permitsUring))
    struct UringCompletionTests {
        struct Fault: Sendable, CustomTestStringConvertible {
            var name: String
            var tag: UInt64
            var code: CInt
            var number: Int

            var testDescription: String { "\(name) \(number) fails with \(code)" }
        }

        static let faults: [Fault] = [
            ("receive", UringLoop.Tag.receive, [ENOMEM, ENOBUFS, ECONNRESET, EINTR, ECANCELED]),
            ("send", UringLoop.Tag.send, [ENOMEM, EPIPE, ECONNRESET, EINTR]),
            ("watch", UringLoop.Tag.watch, [ENOMEM, EINTR, ECANCELED]),
        ].flatMap { name, tag, codes in
            codes.flatMap { code in [1, 2, 30].map { Fault(name: name, tag: tag, code: code, number: $0) } }
        }

        @Test("A completion that fails ends at most its own connection", arguments: faults)
        func aFailureEndsAtMostItsConnection(fault: Fault) async throws {
            let engine = try #require(EngineUnderTest.all.first { $0.name == "io_uring" })
            let gate = Gate()
            let count = Atomic(0)
            // The rings of other tests' engines are left alone.
            let threads = Mutex<Set<UInt>>([])
            Uring.tamper = { completion in
                guard threads.withLock({ $0.contains(UInt(pthread_self())) }) else { return }
                guard completion.user_data & UringLoop.Tag.mask == fault.tag, completion.user_data != 0 else { return }
                guard completion.flags & Uring.Completion.buffer == 0 else { return }
                guard count.wrappingAdd(1, ordering: .relaxed).newValue == fault.number else { return }
                completion.res = -fault.code
            }
            defer { Uring.tamper = nil }
            try await engine.serve {
                $0.route(handler: echo)
                $0.route("/paused") { _ in try await gate.wait() }
            } body: { running in
                await withUnsafeContinuation { continuation in
                    running.engine.loops[0].execute {
                        threads.withLock { _ = $0.insert(UInt(pthread_self())) }
                        continuation.resume()
                    }
                }
                for number in 0..<40 {
                    guard let socket = try? PlainSocket(running.address) else { continue }
                    let path = number % 20 == 7 ? "/paused" : "/"
                    try? socket.send(HandshakeText.request(path).bytes + WireFrame.text("hello").bytes)
                    if path == "/paused" {
                        socket.flood(WireFrame.binary(Array(repeating: 0, count: 60_000)).bytes)
                    }
                    if number % 4 == 3 { socket.reset() } else { socket.close() }
                }
                gate.open()
                Uring.tamper = nil
                let socket = try running.open()
                try socket.send(WireFrame.text("still here").bytes)
                #expect(try socket.receive(12) == WireFrame.text("still here").unmasked.bytes)
                socket.close()
            }
        }
    }
}
#endif
