import NIOCore
import NIOPosix

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Resolves names as SwiftNIO's own resolver does, with `getaddrinfo` on a thread that may block, and reports the addresses to
/// the requester.
final class ObservedResolver: Resolver, Sendable {
    /// The name has no address of the family.
    private struct UnknownName: Error {}

    private let eventLoop: any EventLoop
    private let requester: any ConnectionRequester

    init(_ eventLoop: any EventLoop, _ requester: any ConnectionRequester) {
        self.eventLoop = eventLoop
        self.requester = requester
    }

    func initiateAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
        query(host, port, AF_INET)
    }

    func initiateAAAAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
        query(host, port, AF_INET6)
    }

    func cancelQueries() {}

    private func query(_ host: String, _ port: Int, _ family: CInt) -> EventLoopFuture<[SocketAddress]> {
        NIOThreadPool.singleton.runIfActive(eventLoop: eventLoop) { [requester] in
            let addresses = try ObservedResolver.addresses(host, port, family)
            requester.resolved(addresses.compactMap(\.ipAddress))
            return addresses
        }
    }

    private static func addresses(_ host: String, _ port: Int, _ family: CInt) throws -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_family = family
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &list) == 0, let list else {
            throw UnknownName()
        }
        defer { freeaddrinfo(list) }
        var found: [SocketAddress] = []
        var next: UnsafeMutablePointer<addrinfo>? = list
        while let entry = next {
            if let address = entry.pointee.ai_addr {
                switch entry.pointee.ai_family {
                case AF_INET:
                    let address = UnsafeRawPointer(address).load(as: sockaddr_in.self)
                    found.append(SocketAddress(address, host: host))
                case AF_INET6:
                    let address = UnsafeRawPointer(address).load(as: sockaddr_in6.self)
                    found.append(SocketAddress(address, host: host))
                default: break
                }
            }
            next = entry.pointee.ai_next
        }
        // The list has each address once for each socket type.
        return found.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }
}

extension ClientBootstrap {
    /// Reports the addresses of names to the requester if it is observed.
    func observed(by requester: any ConnectionRequester, on eventLoop: any EventLoop) -> ClientBootstrap {
        requester.isObserved ? resolver(ObservedResolver(eventLoop, requester)) : self
    }
}
