import NIOCore

/// Echoes masked, unfragmented data frames: all frames of one read in one buffer, one write and one flush.
final class FrameEchoHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// What was received of a frame whose head is not complete yet: rarely anything.
    private var incompleteHead = ByteBuffer()
    private var payloadLeft = 0
    /// The masking key, as often as it fits in, its first byte for the next byte of payload.
    private var mask: UInt64 = 0

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var input = Self.unwrapInboundIn(data)
        if self.incompleteHead.readableBytes > 0 {
            self.incompleteHead.writeBuffer(&input)
            swap(&input, &self.incompleteHead)
            self.incompleteHead.clear()
        }
        // A server's head is always 4 bytes shorter than the client's it answers.
        var output = context.channel.allocator.buffer(capacity: input.readableBytes)
        while input.readableBytes > 0 {
            if self.payloadLeft > 0 {
                self.unmask(from: &input, to: &output)
            } else if !self.convertHead(from: &input, to: &output) {
                self.incompleteHead = input
                break
            }
        }
        if output.readableBytes > 0 {
            context.writeAndFlush(Self.wrapOutboundOut(output), promise: nil)
        }
    }

    private func convertHead(from input: inout ByteBuffer, to output: inout ByteBuffer) -> Bool {
        guard let start = input.getInteger(at: input.readerIndex, as: UInt16.self) else { return false }
        let bytesOfLength =
            switch start & 0x7F {
            case 126: 2
            case 127: 8
            default: 0
            }
        guard input.readableBytes >= 2 + bytesOfLength + 4 else { return false }

        input.moveReaderIndex(forwardBy: 2)
        output.writeInteger(start & 0xFF7F)
        switch bytesOfLength {
        case 2:
            let length = input.readInteger(as: UInt16.self)!
            output.writeInteger(length)
            self.payloadLeft = Int(length)
        case 8:
            let length = input.readInteger(as: UInt64.self)!
            output.writeInteger(length)
            self.payloadLeft = Int(length)
        default:
            self.payloadLeft = Int(start & 0x7F)
        }
        let key = UInt64(input.readInteger(endianness: .host, as: UInt32.self)!)
        self.mask = key | key << 32
        return true
    }

    private func unmask(from input: inout ByteBuffer, to output: inout ByteBuffer) {
        let count = min(self.payloadLeft, input.readableBytes)
        let mask = self.mask
        output.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { target in
            input.readWithUnsafeReadableBytes { source in
                var index = 0
                while index &+ 8 <= count {
                    let word = source.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                    target.storeBytes(of: word ^ mask, toByteOffset: index, as: UInt64.self)
                    index &+= 8
                }
                while index < count {
                    target[index] = source[index] ^ UInt8(truncatingIfNeeded: mask.littleEndian >> (8 * (index % 8)))
                    index &+= 1
                }
                return count
            }
        }
        self.payloadLeft -= count
        // Where the key goes on, should the frame go on in the next read.
        let turn = UInt64(8 * (count % 4))
        let bits = mask.littleEndian
        self.mask = UInt64(littleEndian: turn == 0 ? bits : bits >> turn | bits << (64 - turn))
    }
}
