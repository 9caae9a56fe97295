#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// The most seconds of processor time for an input: far more than linear work needs, even with instrumentation.
private let workLimit = 4.0

/// Calls `body`, and ends the process with a finding if it takes too much processor time.
public func checkWork(_ body: () -> Void) {
    let start = clock()
    body()
    let seconds = Double(clock() - start) / Double(CLOCKS_PER_SEC)
    check(seconds < workLimit, "\(seconds) s of work")
}
