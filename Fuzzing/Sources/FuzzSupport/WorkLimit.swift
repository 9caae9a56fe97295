#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// The seconds of processor time that an input may take, instrumented: far more than any does whose work grows as its size.
private let workLimit = 4.0

/// Does something, and ends the process with a finding where that takes too much processor time.
public func checkWork(_ body: () -> Void) {
    let start = clock()
    body()
    let seconds = Double(clock() - start) / Double(CLOCKS_PER_SEC)
    check(seconds < workLimit, "\(seconds) s of work")
}
