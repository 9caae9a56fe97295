#if LIFELINE_PTHREAD_LOCKS

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// A value behind a lock; the package's only lock.
///
/// ThreadSanitizer does not recognise `Synchronization.Mutex` on Linux, which waits on a futex, and would report false
/// races. Builds for it (`LIFELINE_SANITIZE=thread`) use this `pthread_mutex` instead.
package struct Lock<Value>: ~Copyable, @unchecked Sendable {
    private final class Storage {
        let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        var value: Value

        init(_ value: consuming Value) {
            self.value = value
            mutex.initialize(to: pthread_mutex_t())
            let result = pthread_mutex_init(mutex, nil)
            precondition(result == 0, "pthread_mutex_init failed with \(result)")
        }

        deinit {
            pthread_mutex_destroy(mutex)
            mutex.deallocate()
        }
    }

    private let storage: Storage

    package init(_ value: consuming sending Value) {
        storage = Storage(value)
    }

    /// Calls a function with exclusive access to the value.
    package borrowing func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        let result = pthread_mutex_lock(storage.mutex)
        precondition(result == 0, "pthread_mutex_lock failed with \(result)")
        defer { pthread_mutex_unlock(storage.mutex) }
        return try body(&storage.value)
    }
}

#else
// Re-exported so that files that import this module can call the methods of the lock.
@_exported public import Synchronization

/// A value behind a lock; the package's only lock.
///
/// Builds for ThreadSanitizer, which does not recognise `Synchronization.Mutex` on Linux, use a `pthread_mutex`
/// (`LIFELINE_SANITIZE=thread`). It is an alias because the compiler does not specialise a wrapper around `Mutex` in
/// other modules, which made every observed message slower.
package typealias Lock = Mutex
#endif
