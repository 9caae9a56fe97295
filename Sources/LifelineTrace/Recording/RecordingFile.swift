import Lifeline
import LifelineLocks

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// A file of a bounded size, which is rotated when it is full.
final class RecordingFile: Sendable {
    private struct State {
        var descriptor: CInt
        var size: Int
    }

    let path: String
    private let maximumSize: Int
    private let maximumFiles: Int
    private let header: String
    private let state: Lock<State>

    init(_ path: String, _ options: RecordingOptions, header: String) throws(RecordingError) {
        self.path = path
        maximumSize = max(options.maximumFileSize, header.utf8.count + 1)
        maximumFiles = max(options.maximumFiles, 1)
        self.header = header
        let descriptor = RecordingFile.open(path)
        guard descriptor >= 0 else { throw RecordingError(path: path, reason: RecordingFile.reason()) }
        state = Lock(State(descriptor: descriptor, size: 0))
        if let failure = write(header) { throw RecordingError(path: path, reason: failure) }
    }

    deinit {
        close()
    }

    /// Writes a line, in the next file if the current one is full.
    ///
    /// - Returns: Why the line could not be written; `nil` if it was.
    func write(_ line: String) -> String? {
        state.withLock { state in
            guard state.descriptor >= 0 else { return "it is closed" }
            if state.size > header.utf8.count, state.size.addingSaturating(line.utf8.count) > maximumSize {
                if let failure = rotate(&state) { return failure }
                if let failure = RecordingFile.write(header, to: &state) { return failure }
            }
            return RecordingFile.write(line, to: &state)
        }
    }

    func close() {
        state.withLock { state in
            if state.descriptor >= 0 { systemClose(state.descriptor) }
            state.descriptor = -1
        }
    }

    /// Renames the existing files, and begins a new one.
    private func rotate(_ state: inout State) -> String? {
        systemClose(state.descriptor)
        state.descriptor = -1
        if maximumFiles > 1 {
            // Only existing files: there may be far fewer than allowed.
            var last = 0
            while last < maximumFiles - 2, access("\(path).\(last + 1)", F_OK) == 0 { last += 1 }
            // The oldest one is replaced by the one before it.
            for number in stride(from: last, to: 0, by: -1) {
                rename("\(path).\(number)", "\(path).\(number + 1)")
            }
            guard rename(path, "\(path).1") == 0 else { return RecordingFile.reason() }
        }
        state.descriptor = RecordingFile.open(path)
        state.size = 0
        return state.descriptor < 0 ? RecordingFile.reason() : nil
    }

    private static func open(_ path: String) -> CInt {
        // Other users must not read the recording.
        systemOpen(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    }

    private static func write(_ text: String, to state: inout State) -> String? {
        var text = text
        let descriptor = state.descriptor
        let written = text.withUTF8 { bytes -> Int in
            var offset = 0
            while offset < bytes.count {
                let count = systemWrite(
                    descriptor, bytes.baseAddress.unsafelyUnwrapped + offset, bytes.count - offset)
                if count < 0, errno == EINTR { continue }
                if count <= 0 { return -1 }
                offset += count
            }
            return offset
        }
        guard written >= 0 else { return reason() }
        state.size += written
        return nil
    }

    private static func reason() -> String { String(cString: strerror(errno)) }
}

// Functions of the C library whose names are hidden by the methods above.
private func systemOpen(_ path: String, _ flags: CInt, _ mode: mode_t) -> CInt { open(path, flags, mode) }
@discardableResult
private func systemClose(_ descriptor: CInt) -> CInt { close(descriptor) }
private func systemWrite(_ descriptor: CInt, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}
