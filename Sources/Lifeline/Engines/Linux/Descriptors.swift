#if os(Linux)
import CLifelineLinux

#if canImport(Musl)
import Musl
#else
import Glibc
#endif

// Functions of the C library whose names collide with methods here.

@inline(__always)
func closeDescriptor(_ descriptor: CInt) -> CInt {
    close(descriptor)
}

@inline(__always)
func receiveBytes(_ descriptor: CInt, _ buffer: UnsafeMutableRawBufferPointer) -> Int {
    lifeline_receive(descriptor, buffer.baseAddress, buffer.count)
}

/// Ends the output side of a socket.
///
/// - Returns: `false` if there is no connection any more.
@inline(__always)
func shutdownWriting(_ descriptor: CInt) -> Bool {
    shutdown(descriptor, 1) == 0  // SHUT_WR, which the libraries declare differently
}
#endif
