import NIOCore
import Synchronization

@testable import Lifeline

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// A blocking socket without an engine.
final class PlainSocket: ContractPeer {
    private let isOpen = Mutex(true)
    struct Failure: Error {
        var call: String
        var code: CInt = errno
    }

    let descriptor: CInt

    init(_ address: ServerAddress, receiveBuffer: Int? = nil) throws {
        let target =
            switch address.storage {
            case .hostname(let host, let port): try SocketAddress(ipAddress: host, port: port)
            case .unixDomainSocket(let path): try SocketAddress(unixDomainSocketPath: path)
            }
        #if os(Linux)
        let type = CInt(SOCK_STREAM.rawValue)
        #else
        let type = SOCK_STREAM
        #endif
        descriptor = socket(address.port == nil ? AF_UNIX : AF_INET, type, 0)
        guard descriptor >= 0 else { throw Failure(call: "socket") }
        if let receiveBuffer { set(SO_RCVBUF, CInt(receiveBuffer)) }
        var timeout = timeval(tv_sec: 5, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, size)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, size)
        guard target.withSockAddr({ connect(descriptor, $0, socklen_t($1)) }) == 0 else {
            let failure = Failure(call: "connect")
            close()
            throw failure
        }
    }

    private func set(_ option: CInt, _ value: CInt) {
        var value = value
        setsockopt(descriptor, SOL_SOCKET, option, &value, socklen_t(MemoryLayout<CInt>.size))
    }

    func send(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                systemSend(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Failure(call: "send") }
            rest = rest.dropFirst(count)
        }
    }

    func flood(_ bytes: [UInt8]) {
        var sent = 0
        var idle = 0
        while idle < 20 {
            let start = sent % bytes.count
            let count = bytes.withUnsafeBytes {
                systemSend(
                    descriptor, $0.baseAddress! + start, bytes.count - start,
                    CInt(MSG_NOSIGNAL | MSG_DONTWAIT))
            }
            if count > 0 {
                sent += count
                idle = 0
            } else {
                if errno == EINTR { continue }
                guard errno == EAGAIN else { return }
                idle += 1
                usleep(10_000)
            }
        }
    }

    func receive(_ most: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: most)
        // A ring that this thread has made can interrupt it.
        var count = 0
        repeat { count = recv(descriptor, &bytes, most, 0) } while count < 0 && errno == EINTR
        guard count >= 0 else { throw Failure(call: "recv") }
        return Array(bytes.prefix(count))
    }

    func shutDown(_ direction: StreamDirection) {
        _ = shutdown(descriptor, direction == .input ? CInt(SHUT_RD) : CInt(SHUT_WR))
    }

    func close() {
        let mustClose = isOpen.withLock { isOpen in
            defer { isOpen = false }
            return isOpen
        }
        if mustClose { systemClose(descriptor) }
    }

    deinit {
        close()
    }

    func reset() {
        var linger = lingerOfNothing()
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
        close()
    }
}

// What shares its name with methods and variables above.

private func systemSend(_ descriptor: CInt, _ bytes: UnsafeRawPointer?, _ count: Int, _ flags: CInt) -> Int {
    send(descriptor, bytes, count, flags)
}

private func systemClose(_ descriptor: CInt) {
    _ = close(descriptor)
}

private func lingerOfNothing() -> linger {
    linger(l_onoff: 1, l_linger: 0)
}
