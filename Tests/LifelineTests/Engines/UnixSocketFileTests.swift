import Foundation
import Testing

@testable import Lifeline

extension EngineTests {
    /// Whose the file of a Unix domain socket is.
    @Suite("Unix domain socket files")
    struct UnixSocketFileTests {
        /// A path that nobody has used.
        static func address() -> ServerAddress {
            .unixDomainSocket(path: "/tmp/lifeline-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock")
        }

        @Test("A second server cannot take the path of a server that listens", arguments: EngineUnderTest.onSockets)
        func aServerThatListensKeepsItsPath(engine: EngineUnderTest) async throws {
            try await engine.serve(at: Self.address()) {
                $0.route(handler: echo)
            } body: { running in
                let error = await TLSTests.error {
                    try await engine.serve(at: running.address) { _ in
                    } body: { _ in
                    }
                }
                #expect(error?.code == .listenFailed)
                #expect(error?.message.contains("in use") == true, "\(String(describing: error))")
                try running.open().close()
                try await eventually { running.has("TCP ended") }
            }
        }

        @Test("A server replaces the socket file that an earlier server has left", arguments: EngineUnderTest.onSockets)
        func aStaleFileIsReplaced(engine: EngineUnderTest) async throws {
            let address = Self.address()
            let descriptor = try UnixSocketFile.listen(at: "\(address)")
            close(descriptor)
            #expect(access("\(address)", F_OK) == 0)
            try await engine.serve(at: address) {
                $0.route(handler: echo)
            } body: {
                try $0.open().close()
            }
            #expect(access("\(address)", F_OK) != 0)
        }

        @Test("A server that stops does not remove the file of a newer server", arguments: EngineUnderTest.onSockets)
        func aNewerServersFileStays(engine: EngineUnderTest) async throws {
            let address = Self.address()
            var newer: CInt = -1
            try await engine.serve(at: address) {
                $0.route(handler: echo)
            } body: { _ in
                unlink("\(address)")
                newer = try UnixSocketFile.listen(at: "\(address)")
            }
            #expect(access("\(address)", F_OK) == 0, "\(engine.name)")
            close(newer)
            unlink("\(address)")
        }

        @Test("A file that is not a socket is left alone, and listening fails", arguments: EngineUnderTest.onSockets)
        func anOrdinaryFileStays(engine: EngineUnderTest) async throws {
            let address = Self.address()
            try Data("precious".utf8).write(to: URL(fileURLWithPath: "\(address)"))
            let error = await TLSTests.error {
                try await engine.serve(at: address) { _ in
                } body: { _ in
                }
            }
            #expect(error?.code == .listenFailed)
            #expect(try String(contentsOfFile: "\(address)", encoding: .utf8) == "precious")
            unlink("\(address)")
        }
    }
}
