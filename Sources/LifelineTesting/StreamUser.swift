package import Lifeline

/// The user of one end of a simulated TCP connection, which reads and writes: a connection, or a peer that may
/// misbehave.
package protocol StreamUser: AnyObject {
    func received(_ bytes: UnsafeMutableRawBufferPointer)
    func inputEnded()
    func failed(_ description: String, _ error: (any Error)?)
    func outputDrained()
    func terminated()
    func writabilityChanged(to isWritable: Bool)
}

extension Connection: StreamUser {
    package func writabilityChanged(to isWritable: Bool) { transportIsWritable = isWritable }
}
