package import LifelineCore

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

extension RandomPool {
    /// Makes a pool that takes many bytes at a time from the system's generator.
    ///
    /// `SystemRandomNumberGenerator` takes eight: that is a system call for every other frame of a client, and a quarter of the
    /// frame's cost.
    package static func ofTheSystem() -> RandomPool {
        RandomPool { bytes in
            #if canImport(Darwin)
            arc4random_buf(bytes.baseAddress, bytes.count)
            #else
            // getentropy returns at most 256 bytes.
            for offset in stride(from: 0, to: bytes.count, by: 256) {
                let part = UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<min(offset + 256, bytes.count)])
                if getentropy(part.baseAddress, part.count) != 0 { RandomPool.fillFromSystemGenerator(part) }
            }
            #endif
        }
    }

    #if !canImport(Darwin)
    /// Fills the bytes from Swift's slower generator, which falls back to `/dev/urandom`.
    private static func fillFromSystemGenerator(_ bytes: UnsafeMutableRawBufferPointer) {
        var generator = SystemRandomNumberGenerator()
        for index in bytes.indices { bytes[index] = generator.next() }
    }
    #endif
}
