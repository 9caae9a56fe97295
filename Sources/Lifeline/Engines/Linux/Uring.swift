#if os(Linux)
import CLifelineLinux
import NIOCore

#if canImport(Musl)
import Musl
#else
import Glibc
#endif

/// One io_uring with a ring of provided buffers: the queues that a thread shares with the kernel.
///
/// It is a value with pointers into shared memory. Its owner calls ``close()``.
struct Uring {
    enum Setup {
        static let cqSize: UInt32 = 1 << 3
        static let startDisabled: UInt32 = 1 << 6
        static let submitAll: UInt32 = 1 << 7
        static let singleIssuer: UInt32 = 1 << 12
        static let deferTaskRun: UInt32 = 1 << 13
    }

    enum Operation {
        static let pollAdd: UInt8 = 6
        static let accept: UInt8 = 13
        static let asyncCancel: UInt8 = 14
        static let read: UInt8 = 22
        static let send: UInt8 = 26
        static let receive: UInt8 = 27
        static let sendZeroCopy: UInt8 = 47
    }

    enum Completion {
        static let buffer: UInt32 = 1 << 0
        static let more: UInt32 = 1 << 1
        /// The kernel no longer uses the memory of a send without a copy.
        static let notification: UInt32 = 1 << 3
        static let bufferMore: UInt32 = 1 << 4
    }

    private static let getEvents: UInt32 = 1

    /// The sizes of the queues.
    struct Size: Hashable, Sendable {
        /// The entries of the submission queue. More requests need an extra system call.
        var entries: UInt32
        /// The entries of the completion queue. The kernel keeps completions that do not fit.
        var completions: UInt32

        static let usual = Size(entries: 1024, completions: 8192)
    }

    /// The buffers for received bytes. The kernel fills one after the other, each with several reads (`IOU_PBUF_RING_INC`),
    /// which was faster in measurements than many small buffers, for messages of every size.
    static let bufferCount = 32
    static let bufferSize = 64 << 10

    private let descriptor: CInt
    private let ringMemory: UnsafeMutableRawPointer
    private let ringSize: Int
    private let entryMemory: UnsafeMutableRawPointer
    private let entrySize: Int

    private let sqHead: UnsafeMutablePointer<UInt32>
    private let sqTail: UnsafeMutablePointer<UInt32>
    private let sqMask: UInt32
    private let sqCapacity: UInt32
    private let sqes: UnsafeMutablePointer<lifeline_sqe>
    /// The tail including entries that have not been submitted, and the tail of those that have.
    private var localTail: UInt32 = 0
    private var submittedTail: UInt32 = 0

    private let cqHead: UnsafeMutablePointer<UInt32>
    private let cqTail: UnsafeMutablePointer<UInt32>
    private let cqMask: UInt32
    private let cqes: UnsafeMutablePointer<lifeline_cqe>

    /// Completions that were taken to make room in the queue, in order; mostly none.
    private var setAside: [lifeline_cqe] = []
    private var setAsideTaken = 0

    private let bufferRing: UnsafeMutablePointer<lifeline_uring_buf>
    private let bufferRingSize: Int
    let buffers: UnsafeMutableRawPointer
    private var bufferTail: UInt16 = 0
    /// Whether the kernel supports sends without a copy.
    let sendsWithoutCopy: Bool
    /// The number of bytes of each buffer that have been used.
    private let filled: UnsafeMutablePointer<Int>

    /// Sets up a ring for the thread that calls ``enable()``.
    ///
    /// - Throws: `IOError` with the name of the call or feature that the kernel refuses.
    init(_ size: Size = .usual) throws {
        var parameters = lifeline_uring_params()
        parameters.cq_entries = size.completions
        parameters.flags =
            Setup.cqSize | Setup.submitAll | Setup.singleIssuer | Setup.deferTaskRun | Setup.startDisabled
        descriptor = lifeline_uring_setup(size.entries, &parameters)
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "io_uring_setup") }

        ringSize = max(
            Int(parameters.sq_off.array) + Int(parameters.sq_entries) * 4,
            Int(parameters.cq_off.cqes) + Int(parameters.cq_entries) * MemoryLayout<lifeline_cqe>.stride)
        entrySize = Int(parameters.sq_entries) * MemoryLayout<lifeline_sqe>.stride
        bufferRingSize = Uring.bufferCount * MemoryLayout<lifeline_uring_buf>.stride
        let flags = MAP_SHARED | CInt(0x8000)  // MAP_POPULATE
        guard let ring = Uring.map(ringSize, flags, descriptor, 0) else {
            let error = errno
            _ = closeDescriptor(descriptor)
            throw IOError(errnoCode: error, reason: "mmap of an io_uring")
        }
        guard let entries = Uring.map(entrySize, flags, descriptor, 0x1000_0000) else {
            let error = errno
            munmap(ring, ringSize)
            _ = closeDescriptor(descriptor)
            throw IOError(errnoCode: error, reason: "mmap of an io_uring's entries")
        }
        ringMemory = ring
        entryMemory = entries

        func word(_ offset: UInt32) -> UnsafeMutablePointer<UInt32> {
            (ring + Int(offset)).assumingMemoryBound(to: UInt32.self)
        }
        sqHead = word(parameters.sq_off.head)
        sqTail = word(parameters.sq_off.tail)
        sqMask = word(parameters.sq_off.ring_mask).pointee
        sqCapacity = parameters.sq_entries
        sqes = entries.assumingMemoryBound(to: lifeline_sqe.self)
        cqHead = word(parameters.cq_off.head)
        cqTail = word(parameters.cq_off.tail)
        cqMask = word(parameters.cq_off.ring_mask).pointee
        cqes = (ring + Int(parameters.cq_off.cqes)).assumingMemoryBound(to: lifeline_cqe.self)
        // Each index of the queue refers to the entry with the same number, and never changes.
        let array = word(parameters.sq_off.array)
        for index in 0..<parameters.sq_entries { array[Int(index)] = index }

        bufferRing = UnsafeMutableRawPointer.allocate(byteCount: bufferRingSize, alignment: 4096)
            .assumingMemoryBound(to: lifeline_uring_buf.self)
        memset(bufferRing, 0, bufferRingSize)
        buffers = .allocate(byteCount: Uring.bufferCount * Uring.bufferSize, alignment: 4096)
        filled = .allocate(capacity: Uring.bufferCount)
        filled.initialize(repeating: 0, count: Uring.bufferCount)

        sendsWithoutCopy = Uring.knows(Operation.sendZeroCopy, descriptor)

        var registration = lifeline_uring_buf_reg()
        registration.ring_addr = UInt64(UInt(bitPattern: bufferRing))
        registration.ring_entries = UInt32(Uring.bufferCount)
        registration.flags = 2  // IOU_PBUF_RING_INC
        guard lifeline_uring_register(descriptor, 22, &registration, 1) == 0 else {
            let error = errno
            close()
            throw IOError(errnoCode: error, reason: "io_uring's incremental buffers (Linux 6.12)")
        }
        for buffer in 0..<Uring.bufferCount { provide(buffer) }
    }

    /// Whether the kernel supports an operation.
    private static func knows(_ operation: UInt8, _ descriptor: CInt) -> Bool {
        var probe = lifeline_uring_probe()
        // IORING_REGISTER_PROBE
        guard lifeline_uring_register(descriptor, 8, &probe, 256) == 0 else { return false }
        return lifeline_uring_knows(&probe, operation) != 0
    }

    private static func map(
        _ size: Int, _ flags: CInt, _ descriptor: CInt, _ offset: Int
    ) -> UnsafeMutableRawPointer? {
        let memory = mmap(nil, size, PROT_READ | PROT_WRITE, flags, descriptor, offset)
        return memory == MAP_FAILED ? nil : memory
    }

    /// Makes the current thread the one that uses the ring.
    func enable() throws {
        guard lifeline_uring_register(descriptor, 12, nil, 0) == 0 else {
            throw IOError(errnoCode: errno, reason: "io_uring_register")
        }
    }

    func close() {
        // The kernel stops using the memory before the call returns only if no request is under way. None is.
        _ = closeDescriptor(descriptor)
        munmap(ringMemory, ringSize)
        munmap(entryMemory, entrySize)
        bufferRing.deallocate()
        buffers.deallocate()
        filled.deallocate()
    }

    // MARK: Submissions

    /// Returns the next entry to fill in. All its bytes are zero.
    @inline(__always)
    mutating func next() -> UnsafeMutablePointer<lifeline_sqe> {
        if localTail &- lifeline_load_acquire(sqHead) >= sqCapacity { makeRoom() }
        let entry = sqes + Int(localTail & sqMask)
        localTail &+= 1
        entry.initialize(to: lifeline_sqe())
        return entry
    }

    /// Submits the entries without waiting. If the kernel takes none because too many completions wait, sets those aside.
    private mutating func makeRoom() {
        _ = enter(complete: 0, flags: 0, nil)
        while localTail &- lifeline_load_acquire(sqHead) >= sqCapacity {
            while let completion = takeCompletion() { setAside.append(completion) }
            if !enter(complete: 0, flags: Uring.getEvents, nil) { LinuxLoop.backOff() }
        }
    }

    /// Submits the entries, and waits for a completion.
    ///
    /// - Parameter timeout: The longest wait in nanoseconds; negative for no limit, 0 for no wait.
    /// - Returns: Whether the kernel accepted the call. Entries that it did not take are submitted by the next call.
    @inline(__always)
    mutating func submitAndWait(timeout: Int64) -> Bool {
        guard timeout != 0, setAside.isEmpty else { return enter(complete: 0, flags: Uring.getEvents, nil) }
        guard timeout > 0 else { return enter(complete: 1, flags: Uring.getEvents, nil) }
        var time = lifeline_timespec(tv_sec: timeout / 1_000_000_000, tv_nsec: timeout % 1_000_000_000)
        return withUnsafePointer(to: &time) { time in
            var argument = lifeline_uring_getevents_arg()
            argument.ts = UInt64(UInt(bitPattern: time))
            return withUnsafePointer(to: &argument) { enter(complete: 1, flags: Uring.getEvents | 8, $0) }
        }
    }

    /// - Returns: Whether the call succeeded, was interrupted, or timed out.
    @inline(__always)
    private mutating func enter(
        complete: UInt32, flags: UInt32, _ argument: UnsafePointer<lifeline_uring_getevents_arg>?
    ) -> Bool {
        let count = localTail &- submittedTail
        lifeline_store_release(sqTail, localTail)
        let size = argument == nil ? 0 : MemoryLayout<lifeline_uring_getevents_arg>.size
        let submitted = lifeline_uring_enter(descriptor, count, complete, flags, argument, size)
        if submitted >= 0 {
            submittedTail &+= UInt32(submitted)
            return true
        }
        // After an interruption or a timeout the kernel has taken the entries all the same; its head shows how many.
        submittedTail = lifeline_load_acquire(sqHead)
        return errno == EINTR || errno == ETIME
    }

    // MARK: Completions

    /// Takes the next completion, if there is one.
    @inline(__always)
    mutating func nextCompletion() -> lifeline_cqe? {
        setAside.isEmpty ? takeCompletion() : takeSetAside()
    }

    private mutating func takeSetAside() -> lifeline_cqe {
        let completion = setAside[setAsideTaken]
        setAsideTaken += 1
        if setAsideTaken == setAside.count {
            setAside = []
            setAsideTaken = 0
        }
        return completion
    }

    @inline(__always)
    private mutating func takeCompletion() -> lifeline_cqe? {
        let head = cqHead.pointee
        guard head != lifeline_load_acquire(cqTail) else { return nil }
        #if DEBUG
        var completion = cqes[Int(head & cqMask)]
        Uring.tamper?(&completion)
        #else
        let completion = cqes[Int(head & cqMask)]
        #endif
        lifeline_store_release(cqHead, head &+ 1)
        return completion
    }

    #if DEBUG
    /// Lets a test change completions, on the threads that take them.
    nonisolated(unsafe) static var tamper: (@Sendable (inout lifeline_cqe) -> Void)?
    #endif

    /// Submits the entries without waiting, and without processing completions.
    mutating func submit() {
        // Entries that the kernel does not take now are submitted by the next call.
        _ = enter(complete: 0, flags: 0, nil)
    }

    /// Takes all completions, and sets aside, in order, those for which `mustWait` returns `true`.
    mutating func sift(_ mustWait: (lifeline_cqe) -> Bool) {
        while let completion = takeCompletion() {
            if mustWait(completion) { setAside.append(completion) }
        }
    }

    // MARK: Buffers

    /// The bytes of a completed receive.
    @inline(__always)
    func bytes(of completion: lifeline_cqe) -> UnsafeMutableRawBufferPointer {
        let buffer = Int(completion.flags >> 16)
        let start = buffers + (buffer &* Uring.bufferSize &+ filled[buffer])
        return UnsafeMutableRawBufferPointer(start: start, count: Int(completion.res))
    }

    /// Gives the memory of a completed receive back to the kernel.
    @inline(__always)
    mutating func release(_ completion: lifeline_cqe) {
        let buffer = Int(completion.flags >> 16)
        if completion.flags & Completion.bufferMore != 0 {
            filled[buffer] &+= Int(completion.res)
        } else {
            filled[buffer] = 0
            provide(buffer)
        }
    }

    private mutating func provide(_ buffer: Int) {
        let entry = bufferRing + Int(bufferTail) % Uring.bufferCount
        entry.pointee.addr = UInt64(UInt(bitPattern: buffers + buffer * Uring.bufferSize))
        entry.pointee.len = UInt32(Uring.bufferSize)
        entry.pointee.bid = UInt16(buffer)
        bufferTail &+= 1
        // The tail is stored in the last field of the first entry.
        let tail = UnsafeMutableRawPointer(bufferRing).advanced(by: 14).assumingMemoryBound(to: UInt16.self)
        lifeline_store_release16(tail, bufferTail)
    }
}
#endif
