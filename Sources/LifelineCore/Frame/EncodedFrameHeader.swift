/// The bytes of a frame's header, apart from the payload, so that a transport can write a large payload without copying it.
public struct EncodedFrameHeader: Sendable {
    private var storage: (UInt64, UInt64) = (0, 0)
    /// The number of bytes of the header, 2 to 14.
    public let count: Int
    /// The key to mask the payload with; `nil` if it is not masked.
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
    /// - Parameter target: Room for sixteen bytes. All of them are written; only the first ``count`` belong to the header.
    @inline(__always)
    public func write(to target: UnsafeMutableRawPointer) {
        target.storeBytes(of: storage.0, as: UInt64.self)
        target.storeBytes(of: storage.1, toByteOffset: 8, as: UInt64.self)
    }

    /// Writes the header and, after it, the payload, which is masked if it must be.
    ///
    /// - Parameters:
    ///   - payload: The payload, not masked.
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
