#if os(Linux)
import CLifelineLinux
import LifelineCore
import NIOCore
import NIOPosix
import Synchronization

#if canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Lifeline's own engine for Linux: plain TCP and Unix domain sockets on loops that use epoll or io_uring.
final class LinuxEngine: Engine {
    /// The kernel interface with which the loops wait.
    enum Poller: Sendable {
        case epoll
        case uring
    }

    let name: String
    private let drivers: [LinuxLoop]
    let loops: [Loop]
    private let ownsLoops: Bool

    private static let sharedEpoll = Result { try LinuxEngine(.epoll, loopCount: System.coreCount, ownsLoops: false) }
    private static let sharedUring = Result { try LinuxEngine(.uring, loopCount: System.coreCount, ownsLoops: false) }

    /// Returns the engine that the process shares, with one loop for each core.
    static func shared(_ poller: Poller) throws -> LinuxEngine {
        switch poller {
        case .epoll: try sharedEpoll.get()
        case .uring: try sharedUring.get()
        }
    }

    /// Whether the kernel permits io_uring at the moment.
    static var permitsUring: Bool {
        guard let ring = try? Uring() else { return false }
        ring.close()
        return true
    }

    /// Makes an engine with loops of its own.
    convenience init(_ poller: Poller, loopCount: Int) throws {
        try self.init(poller, loopCount: loopCount, ownsLoops: true)
    }

    /// - Parameter ring: The sizes of the queues of each io_uring.
    init(_ poller: Poller, loopCount: Int, ownsLoops: Bool, ring: Uring.Size = .usual) throws {
        name = poller == .uring ? "io_uring" : "epoll"
        self.ownsLoops = ownsLoops
        drivers = try (0..<max(loopCount, 1)).map { _ -> LinuxLoop in
            switch poller {
            case .epoll: try EpollLoop()
            case .uring: try UringLoop(ring)
            }
        }
        loops = drivers.map { Loop(driver: $0) }
        for (index, (driver, loop)) in zip(drivers, loops).enumerated() {
            do {
                try driver.start(loop, name: "lifeline-\(index)")
            } catch {
                for driver in drivers[..<index] { driver.stop() }
                throw error
            }
        }
    }

    func nextLoop() -> Loop {
        loops[leastLoaded()]
    }

    private func leastLoaded() -> Int {
        var best = 0
        guard drivers.count > 1 else { return best }
        var least = Int.max
        for (index, driver) in drivers.enumerated() {
            let load = driver.load.load(ordering: .relaxed)
            if load < least { (best, least) = (index, load) }
        }
        return best
    }

    func shutDown() async {
        guard ownsLoops else { return }
        let drivers = drivers
        // Joining a thread blocks, so it is done on the thread pool.
        try? await NIOThreadPool.singleton.runIfActive {
            for driver in drivers { driver.stop() }
        }
    }

    // MARK: Servers

    private struct Socket: ListeningSocket {
        let listener: LinuxListener
        let driver: LinuxLoop
        let file: UnixSocketFile?

        func close() async {
            await withUnsafeContinuation { continuation in
                driver.execute { driver.stopListening(listener) { continuation.resume() } }
            }
            file?.remove()
        }
    }

    func listen(
        at address: ServerAddress, _ acceptor: any ConnectionAcceptor, _ tls: TLSContext?
    ) async throws -> (ServerAddress, any ListeningSocket) {
        let descriptor: CInt
        switch address.storage {
        case .hostname(let host, let port):
            // A lookup blocks, so it is done on the thread pool.
            let resolved = try await NIOThreadPool.singleton.runIfActive {
                try SocketAddress.makeAddressResolvingHost(host, port: port)
            }
            descriptor = try LinuxSocket.listening(at: resolved)
        case .unixDomainSocket(let path):
            descriptor = try UnixSocketFile.listen(at: path)
        }
        var file: UnixSocketFile?
        if case .unixDomainSocket(let path) = address.storage { file = UnixSocketFile(at: path) }
        do {
            var found = address
            if case .hostname(let host, _) = address.storage {
                found = .hostname(host, port: try LinuxSocket.localPort(descriptor))
            }
            return (found, try await begin(listening(descriptor, acceptor), file))
        } catch {
            _ = closeDescriptor(descriptor)
            file?.remove()
            throw error
        }
    }

    private func listening(_ descriptor: CInt, _ acceptor: any ConnectionAcceptor) -> LinuxListener {
        LinuxListener(
            descriptor,
            accepted: { [self] descriptor in
                place(descriptor, marks: acceptor.outboundMarks) { loop, transport, name in
                    acceptor.makeConnection(on: loop, over: transport, remoteAddress: name)
                }
            },
            failed: { acceptor.acceptFailed(NetworkErrorText.describe(IOError(errnoCode: $0, reason: "accept"))) })
    }

    /// Starts accepting, on the first loop.
    private func begin(_ listener: LinuxListener, _ file: UnixSocketFile?) async throws -> Socket {
        let driver = drivers[0]
        let result: Result<Void, any Error> = await withUnsafeContinuation { continuation in
            driver.execute { continuation.resume(returning: Result { try driver.listen(listener) }) }
        }
        try result.get()
        return Socket(listener: listener, driver: driver, file: file)
    }

    private typealias Make = @Sendable (Loop, any Transport, String) -> Connection

    /// Gives a connected socket to the loop with the fewest connections.
    private func place(_ descriptor: CInt, marks: BufferLimits.Marks, _ make: @escaping Make) {
        let index = leastLoaded()
        let driver = drivers[index]
        driver.load.wrappingAdd(1, ordering: .relaxed)
        if driver.isOnLoop {
            begin(descriptor, on: index, marks, make)
        } else {
            driver.execute { self.begin(descriptor, on: index, marks, make) }
        }
    }

    private func begin(_ descriptor: CInt, on index: Int, _ marks: BufferLimits.Marks, _ make: Make) {
        loops[index].assertOnLoop()
        LinuxSocket.disableDelay(descriptor)
        let transport = drivers[index].makeTransport(descriptor, marks)
        transport.begin(make(loops[index], transport, LinuxSocket.peerName(descriptor)))
    }

    // MARK: Clients

    func connect(to target: ConnectTarget, on loop: Loop, for requester: any ConnectionRequester) {
        guard let index = loops.firstIndex(where: { $0 === loop }) else {
            preconditionFailure("the loop does not belong to the engine")
        }
        switch target.address.storage {
        case .unixDomainSocket(let path):
            do {
                connect(to: try SocketAddress(unixDomainSocketPath: path), target, on: index, for: requester)
            } catch {
                requester.connectFailed(error)
            }
        case .hostname(let host, let port):
            if let address = try? SocketAddress(ipAddress: host, port: port) {
                connect(to: address, target, on: index, for: requester)
            } else {
                connectByName(host, port, target, on: index, for: requester)
            }
        }
    }

    private func connected(
        _ descriptor: CInt, _ target: ConnectTarget, on index: Int, for requester: any ConnectionRequester
    ) {
        do {
            try drivers[index].prepare(descriptor)
        } catch {
            _ = closeDescriptor(descriptor)
            return requester.connectFailed(error)
        }
        drivers[index].load.wrappingAdd(1, ordering: .relaxed)
        begin(descriptor, on: index, target.outboundMarks) { loop, transport, name in
            let name = target.address.port == nil ? "unix:\(target.address)" : name
            return requester.makeConnection(on: loop, over: transport, remoteAddress: name)
        }
    }

    private func connect(
        to address: SocketAddress, _ target: ConnectTarget, on index: Int, for requester: any ConnectionRequester
    ) {
        let driver = drivers[index]
        driver.execute {
            let descriptor: CInt
            do {
                descriptor = try LinuxSocket.connecting(to: address)
            } catch {
                return requester.connectFailed(error)
            }
            let waiter = LinuxWaiter(descriptor) { outcome in
                switch outcome {
                case .ready:
                    if let error = LinuxSocket.takeError(descriptor, "connect") {
                        _ = closeDescriptor(descriptor)
                        return requester.connectFailed(error)
                    }
                    self.connected(descriptor, target, on: index, for: requester)
                case .timedOut:
                    _ = closeDescriptor(descriptor)
                    let timeout = TimeAmount(target.timeout)
                    requester.connectFailed(ChannelError.connectTimeout(timeout))
                case .failed(let error):
                    _ = closeDescriptor(descriptor)
                    requester.connectFailed(error)
                }
            }
            driver.awaitWritable(waiter, timeout: target.timeout)
        }
    }

    /// Has SwiftNIO resolve the name and try its addresses (RFC 8305), and then takes over the socket.
    private func connectByName(
        _ host: String, _ port: Int, _ target: ConnectTarget, on index: Int, for requester: any ConnectionRequester
    ) {
        let driver = drivers[index]
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        ClientBootstrap(group: eventLoop)
            .observed(by: requester, on: eventLoop)
            .connectTimeout(TimeAmount(target.timeout))
            .channelOption(.autoRead, value: false)
            .connect(host: host, port: port)
            .flatMapThrowing { channel in
                let descriptor =
                    try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(
                        of: NIOBSDSocket.Handle.self
                    ) { handle in
                        let descriptor = lifeline_duplicate(handle)
                        return descriptor >= 0
                            ? .success(descriptor) : .failure(IOError(errnoCode: errno, reason: "dup"))
                    } as Result<CInt, IOError>?
                channel.close(promise: nil)
                guard let descriptor = try descriptor?.get() else { throw ChannelError.ioOnClosedChannel }
                driver.execute { self.connected(descriptor, target, on: index, for: requester) }
            }
            .whenFailure { requester.connectFailed($0) }
    }
}
#endif
