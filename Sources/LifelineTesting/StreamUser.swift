package import Lifeline

/// Who reads from and writes to one end of a simulated TCP connection: a connection, or a peer without manners.
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
