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
