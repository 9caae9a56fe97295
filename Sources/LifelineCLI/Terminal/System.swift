#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// The system calls of the command, in one place, so that no other file depends on the system.
enum System {
    /// The result of a read or a write.
    enum Transfer {
        /// The number of bytes that were read or written. 0 is the end of the input.
        case bytes(Int)
        /// Nothing happened; try again.
        case again
        /// It failed.
        case failed(FileError)
    }

    /// Why a file, a pipe or a terminal could not be read or written.
    struct FileError: Error {
        let reason: String
        /// Whether the reader has closed the pipe.
        var readerHasGone = false
        /// Whether the file could not be opened.
        var isNotOpened = false
        /// Whether the file is larger than the limit.
        var isTooLong = false

        init(reason: String) {
            self.reason = reason
        }

        /// The error of the last system call (`errno`).
        static var last: FileError {
            let number = errno
            var error = FileError(reason: String(cString: strerror(number)))
            error.readerHasGone = number == EPIPE || number == ECONNRESET
            return error
        }
    }

    /// Makes standard input, output and error safe to use, however the command was started.
    ///
    /// If one of them is closed (`<&-`), the next file or socket would get its number, and be taken for it. If the
    /// reader of the output closes it, SIGPIPE must not kill the process before the connection is closed.
    static func prepareStandardDescriptors() {
        for descriptor: Int32 in 0...2 where fcntl(descriptor, F_GETFD) == -1 {
            // It gets the lowest free number, which is this one.
            _ = open("/dev/null", O_RDWR)
        }
        signal(SIGPIPE, SIG_IGN)
    }

    /// Whether the descriptor is a terminal.
    static func isTerminal(_ descriptor: Int32) -> Bool {
        isatty(descriptor) == 1
    }

    /// The size of the terminal's window.
    static func windowSize(_ descriptor: Int32) -> (columns: Int, rows: Int)? {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// The value of an environment variable, or `nil` if it is not set or empty.
    static func environment(_ name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        let text = String(cString: value)
        return text.isEmpty ? nil : text
    }

    /// Reads what is available, or waits until something is. It waits on a non-blocking descriptor too: another process
    /// that shares standard input may have made it one.
    static func read(_ descriptor: Int32, into bytes: UnsafeMutableRawBufferPointer) -> Transfer {
        #if canImport(Darwin)
        let count = Darwin.read(descriptor, bytes.baseAddress, bytes.count)
        #elseif canImport(Musl)
        let count = Musl.read(descriptor, bytes.baseAddress, bytes.count)
        #else
        let count = Glibc.read(descriptor, bytes.baseAddress, bytes.count)
        #endif
        if count < 0, errno == EAGAIN || errno == EWOULDBLOCK {
            var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            _ = poll(&request, 1, -1)
            return .again
        }
        return transfer(count)
    }

    /// Writes as many bytes as the descriptor takes. Waits for a moment if it is non-blocking and takes none.
    static func write(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Transfer {
        #if canImport(Darwin)
        let count = Darwin.write(descriptor, bytes.baseAddress, bytes.count)
        #elseif canImport(Musl)
        let count = Musl.write(descriptor, bytes.baseAddress, bytes.count)
        #else
        let count = Glibc.write(descriptor, bytes.baseAddress, bytes.count)
        #endif
        if count < 0, errno == EAGAIN || errno == EWOULDBLOCK {
            if waitUntilWritable(descriptor, milliseconds: 100) {
                // A pipe may be writable and still have too little room.
                var moment = timespec(tv_sec: 0, tv_nsec: 1_000_000)
                nanosleep(&moment, nil)
            }
            return .again
        }
        return transfer(count)
    }

    /// The size limit of recordings and scripts, in bytes.
    static let maximumFileSize = 1 << 30

    /// Reads a file, or standard input if its name is `-`.
    ///
    /// - Parameter limit: The most bytes. A larger file is an error.
    static func readFile(_ path: String, limit: Int = maximumFileSize) -> Result<[UInt8], FileError> {
        let descriptor = path == "-" ? 0 : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return .failure(.last) }
        defer { if path != "-" { close(descriptor) } }
        var bytes: [UInt8] = []
        while true {
            var failure: FileError?
            let chunk = [UInt8](unsafeUninitializedCapacity: 1 << 16) { memory, count in
                while true {
                    switch read(descriptor, into: UnsafeMutableRawBufferPointer(memory)) {
                    case .bytes(let number): count = number
                    case .again: continue
                    case .failed(let error): failure = error
                    }
                    return
                }
            }
            if let failure { return .failure(failure) }
            if chunk.isEmpty { return .success(bytes) }
            bytes += chunk
            guard bytes.count <= limit else {
                let size = limit % (1 << 20) == 0 ? "\(limit >> 20) MiB" : "\(limit) bytes"
                var error = FileError(reason: "it is larger than \(size)")
                error.isTooLong = true
                return .failure(error)
            }
        }
    }

    private static func transfer(_ count: Int) -> Transfer {
        if count >= 0 { return .bytes(count) }
        return errno == EINTR ? .again : .failed(.last)
    }

    /// Waits until a write would not block or would fail. Returns `false` after the timeout.
    static func waitUntilWritable(_ descriptor: Int32, milliseconds: Int32) -> Bool {
        var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        return poll(&request, 1, milliseconds) > 0
    }

    /// Waits until the reader has closed the descriptor. Returns `false` after the timeout.
    static func waitUntilBroken(_ descriptor: Int32, milliseconds: Int32) -> Bool {
        // `poll` always reports errors.
        var request = pollfd(fd: descriptor, events: 0, revents: 0)
        return poll(&request, 1, milliseconds) > 0 && request.revents & Int16(POLLERR | POLLHUP | POLLNVAL) != 0
    }

    /// Ignores a signal.
    static func ignore(_ signalNumber: Int32) {
        signal(signalNumber, SIG_IGN)
    }

    /// Restores a signal's default handling, which ends the process.
    static func handleByDefault(_ signalNumber: Int32) {
        signal(signalNumber, SIG_DFL)
    }

    /// Ends the process at once.
    static func exitNow(_ status: Int32) -> Never {
        _exit(status)
    }

    /// A date and a time of day.
    struct CalendarTime {
        var year, month, day, hour, minute, second: Int
    }

    /// Converts seconds since 1970 to a date and a time of day, local or in UTC.
    static func calendarTime(_ seconds: Int, isLocal: Bool) -> CalendarTime {
        var seconds = time_t(seconds)
        var parts = tm()
        if isLocal { localtime_r(&seconds, &parts) } else { gmtime_r(&seconds, &parts) }
        return CalendarTime(
            year: Int(parts.tm_year) + 1900, month: Int(parts.tm_mon) + 1, day: Int(parts.tm_mday),
            hour: Int(parts.tm_hour), minute: Int(parts.tm_min), second: Int(parts.tm_sec))
    }

    /// The time since 1970.
    static func now() -> (seconds: Int, nanoseconds: Int) {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return (Int(now.tv_sec), Int(now.tv_nsec))
    }

    /// Ctrl-C.
    static let interruptSignal = SIGINT
    /// What `kill` sends.
    static let terminateSignal = SIGTERM
}
