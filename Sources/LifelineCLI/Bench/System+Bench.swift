#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// What a load generator asks of the system.
extension System {
    /// Nanoseconds on a clock that only goes forward.
    @inline(__always)
    static func monotonicTime() -> UInt64 {
        time(of: CLOCK_MONOTONIC)
    }

    /// Nanoseconds that the calling thread has been at work.
    static func threadTime() -> UInt64 {
        time(of: CLOCK_THREAD_CPUTIME_ID)
    }

    @inline(__always)
    private static func time(of clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(truncatingIfNeeded: time.tv_sec) &* 1_000_000_000 &+ UInt64(truncatingIfNeeded: time.tv_nsec)
    }

    /// Blocks the calling thread until a moment on the clock of ``monotonicTime()``.
    static func block(until moment: UInt64) {
        while true {
            let now = monotonicTime()
            guard now < moment else { return }
            // Linux ends a sleep that much late, unless something else wakes the core before: it may do so here, and what is
            // left then is waited for at work.
            guard moment - now > timerSlack else { continue }
            let rest = moment - now - timerSlack
            var time = timespec(tv_sec: Int(rest / 1_000_000_000), tv_nsec: Int(rest % 1_000_000_000))
            nanosleep(&time, nil)
        }
    }

    /// See `PR_SET_TIMERSLACK` in prctl(2).
    private static let timerSlack: UInt64 = 50_000

    /// The logarithm to the base of ten.
    static func logarithm(_ value: Double) -> Double { log10(value) }

    /// A power of ten.
    static func power(_ exponent: Double) -> Double { pow(10, exponent) }

    /// Raises the number of descriptors that the process may open, as far as it may.
    ///
    /// - Returns: The number that it may open now.
    static func raiseDescriptorLimit() -> Int {
        var limit = rlimit()
        #if canImport(Glibc)
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #else
        let resource = RLIMIT_NOFILE
        #endif
        guard getrlimit(resource, &limit) == 0 else { return 1024 }
        limit.rlim_cur = limit.rlim_max
        #if canImport(Darwin)
        limit.rlim_cur = min(limit.rlim_cur, rlim_t(OPEN_MAX))
        #endif
        _ = setrlimit(resource, &limit)
        guard getrlimit(resource, &limit) == 0 else { return 1024 }
        return Int(clamping: limit.rlim_cur)
    }

    /// The parts of a second in which the system counts processor time.
    static var clockTicksPerSecond: Int { sysconf(Int32(_SC_CLK_TCK)) }

    /// What stands in a small file, or `nil` where it cannot be read.
    static func text(ofFile path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        while true {
            let chunk = [UInt8](unsafeUninitializedCapacity: 4096) { memory, count in
                if case .bytes(let number) = read(descriptor, into: UnsafeMutableRawBufferPointer(memory)) {
                    count = number
                }
            }
            if chunk.isEmpty { return String(decoding: bytes, as: UTF8.self) }
            bytes += chunk
        }
    }

    /// Puts text into a file, in the place of what was there.
    ///
    /// - Returns: Why not, where that failed.
    static func write(_ text: String, toFile path: String) -> FileError? {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else {
            var error = FileError.last
            error.isNotOpened = true
            return error
        }
        var text = text
        let failure = text.withUTF8 { bytes -> FileError? in
            var rest = UnsafeRawBufferPointer(bytes)[...]
            while !rest.isEmpty {
                switch write(descriptor, UnsafeRawBufferPointer(rebasing: rest)) {
                case .bytes(let count): rest = rest.dropFirst(count)
                case .again: continue
                case .failed(let error): return error
                }
            }
            return nil
        }
        // Some file systems have no room only now.
        let closing = close(descriptor) == 0 ? nil : FileError.last
        guard let error = failure ?? closing, !error.readerHasGone else { return nil }
        return error
    }
}
