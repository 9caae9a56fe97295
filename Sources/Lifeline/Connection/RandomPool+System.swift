package import LifelineCore

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

extension RandomPool {
    /// A pool over the system's generator, which is asked for many bytes at a time.
    ///
    /// `SystemRandomNumberGenerator` asks for eight: a system call for every other frame of a client, a quarter of what the
    /// frame costs.
    package static func ofTheSystem() -> RandomPool {
        RandomPool { bytes in
            #if canImport(Darwin)
            arc4random_buf(bytes.baseAddress, bytes.count)
            #else
            // The most that a call may ask for.
            for offset in stride(from: 0, to: bytes.count, by: 256) {
                let part = UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<min(offset + 256, bytes.count)])
                if getentropy(part.baseAddress, part.count) != 0 { RandomPool.fillFromSystemGenerator(part) }
            }
            #endif
        }
    }

    #if !canImport(Darwin)
    /// The same from the slow generator, which knows more ways (`/dev/urandom`).
    private static func fillFromSystemGenerator(_ bytes: UnsafeMutableRawBufferPointer) {
        var generator = SystemRandomNumberGenerator()
        for index in bytes.indices { bytes[index] = generator.next() }
    }
    #endif
}
