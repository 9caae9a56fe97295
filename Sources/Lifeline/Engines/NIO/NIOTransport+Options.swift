import LifelineCore
import NIOCore

extension NIOTransport {
    /// Allocates receive buffers whose size follows the size of the reads.
    static var receiveAllocator: any RecvByteBufferAllocator {
        AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 2048, maximum: 256 << 10)
    }
}

extension ChannelOptions.Types.WriteBufferWaterMark {
    init(_ marks: BufferLimits.Marks) {
        self.init(low: marks.low, high: marks.high)
    }
}
