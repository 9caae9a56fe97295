/// A frame's header as it goes on the wire, apart from the payload, so that a transport may write a large payload from
/// where it lies.
public struct EncodedFrameHeader: Sendable {
    private var storage: (UInt64, UInt64) = (0, 0)
    /// The number of bytes of the header, 2 to 14.
    public let count: Int
    /// The key that the payload must be masked with, or `nil` where it is sent as it is.
    public let maskingKey: MaskingKey?

    @inline(__always)
    init(_ header: FrameHeader) {
        maskingKey = header.maskingKey
        count = withUnsafeMutableBytes(of: &storage) { bytes in
            header.encode(into: bytes.baseAddress.unsafelyUnwrapped)
        }
    }

    /// Writes the header.
    ///
    /// - Parameter target: Room for sixteen bytes; those behind the header's ``count`` are written too, and mean nothing.
    @inline(__always)
    public func write(to target: UnsafeMutableRawPointer) {
        target.storeBytes(of: storage.0, as: UInt64.self)
        target.storeBytes(of: storage.1, toByteOffset: 8, as: UInt64.self)
    }

    /// Writes the header and, behind it, the payload, masked where it must be.
    ///
    /// - Parameters:
    ///   - payload: The payload as it is, before it is masked.
    ///   - target: Room for sixteen bytes more than the payload has.
    /// - Returns: The number of bytes of the frame.
    @inline(__always)
    public func write(_ payload: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer) -> Int {
        write(to: target)
        if let base = payload.baseAddress {
            if let maskingKey {
                maskingKey.apply(from: base, to: target + count, count: payload.count)
            } else {
                (target + count).copyMemory(from: base, byteCount: payload.count)
            }
        }
        return count + payload.count
    }
}
