package import LifelineCore

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

extension RandomPool {
    /// Returns a pool that reads many bytes at a time from the system's random number generator.
    ///
    /// `SystemRandomNumberGenerator` reads eight at a time: a system call for every other frame that a client sends,
    /// which is a quarter of the frame's cost.
    package static func system() -> RandomPool {
        RandomPool { bytes in
            #if canImport(Darwin)
            arc4random_buf(bytes.baseAddress, bytes.count)
            #else
            // A call may request at most 256 bytes.
            for offset in stride(from: 0, to: bytes.count, by: 256) {
                let part = UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<min(offset + 256, bytes.count)])
                if getentropy(part.baseAddress, part.count) != 0 { RandomPool.fillFromSystemGenerator(part) }
            }
            #endif
        }
    }

    #if !canImport(Darwin)
    /// Fills a buffer from the slower generator, which falls back to `/dev/urandom`.
    private static func fillFromSystemGenerator(_ bytes: UnsafeMutableRawBufferPointer) {
        var generator = SystemRandomNumberGenerator()
        for index in bytes.indices { bytes[index] = generator.next() }
    }
    #endif
}
