import LifelineCore
import NIOCore

extension NIOTransport {
    /// Receive buffers that grow with what arrives: small ones for chatter, large ones for large messages.
    static var receiveAllocator: any RecvByteBufferAllocator {
        AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 2048, maximum: 256 << 10)
    }
}

extension ChannelOptions.Types.WriteBufferWaterMark {
    init(_ marks: BufferLimits.Marks) {
        self.init(low: marks.low, high: marks.high)
    }
}

extension SocketAddress {
    /// The address and the port, as people write them.
    var name: String {
        guard let address = ipAddress, let port else {
            // Who connects to such a socket mostly has no name of its own.
            return pathname.flatMap { $0.isEmpty ? nil : $0 } ?? "a Unix domain socket"
        }
        return address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    }
}

extension TimeAmount {
    init(_ duration: Duration) {
        self = .nanoseconds(duration.wholeNanoseconds)
    }
}
