#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// The system calls of the load generator.
extension System {
    /// The monotonic time in nanoseconds.
    @inline(__always)
    static func monotonicTime() -> UInt64 {
        time(of: CLOCK_MONOTONIC)
    }

    /// The processor time of the calling thread in nanoseconds.
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
            // Linux ends a sleep late by the timer slack, so the sleep is shorter by as much, and the rest is a busy
            // wait.
            guard moment - now > timerSlack else { continue }
            let rest = moment - now - timerSlack
            var time = timespec(tv_sec: Int(rest / 1_000_000_000), tv_nsec: Int(rest % 1_000_000_000))
            nanosleep(&time, nil)
        }
    }

    /// See `PR_SET_TIMERSLACK` in prctl(2).
    private static let timerSlack: UInt64 = 50_000

    /// The logarithm to base 10.
    static func logarithm(_ value: Double) -> Double { log10(value) }

    /// A power of ten.
    static func power(_ exponent: Double) -> Double { pow(10, exponent) }

    /// Raises the limit of open descriptors to the highest value allowed, and returns it.
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

    /// The clock ticks per second in which `/proc` counts processor time.
    static var clockTicksPerSecond: Int { sysconf(Int32(_SC_CLK_TCK)) }

    /// The text of a small file, or `nil` if it cannot be read.
    static func text(ofFile path: String) -> String? {
        switch readFile(path) {
        case .success(let bytes): String(decoding: bytes, as: UTF8.self)
        case .failure: nil
        }
    }

    /// Checks that a file can be written, without changing it.
    ///
    /// - Returns: The error if it cannot be opened.
    static func checkWritable(_ path: String) -> FileError? {
        let exists = access(path, F_OK) == 0
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { return .last }
        close(descriptor)
        if !exists { unlink(path) }
        return nil
    }

    /// Writes text to a file, in place of its content.
    ///
    /// - Returns: The error if that failed.
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
        // Some file systems report a full disk only now.
        let closing = close(descriptor) == 0 ? nil : FileError.last
        guard let error = failure ?? closing, !error.readerHasGone else { return nil }
        return error
    }
}
