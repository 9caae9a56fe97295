extension TraceEvent {
    /// The approximate memory of the event, in bytes.
    var approximateSize: Int {
        func size(_ texts: String?...) -> Int {
            texts.reduce(0) { $0 + ($1?.utf8.count ?? 0) }
        }
        // The memory of an array besides its elements.
        let header = 32
        func size(_ payload: [UInt8]?) -> Int { payload.map { $0.capacity + header } ?? 0 }
        let more =
            switch kind {
            case .connecting(let host, _): size(host)
            case .resolved(let addresses):
                addresses.reduce(header) { $0 + MemoryLayout<String>.stride + $1.utf8.count }
            case .connectFailed(let text), .connected(let text), .failed(let text), .note(let text): size(text)
            case .secured(let version, let certificate): size(version, certificate)
            case .request(_, let head), .response(_, let head):
                head.fields.reduce(header + size(head.method, head.target, head.authority, head.reason)) {
                    $0 + MemoryLayout<HTTPHead.Field>.stride + size($1.name, $1.value)
                }
            case .frame(_, let frame): size(frame.payload)
            case .message(_, let message): size(message.payload)
            case .ended(let ending): size(ending.reason, ending.failure)
            case .roundTrip, .paused, .resumed, .compressed, .finished, .tcpEnded: 0
            }
        return MemoryLayout<TraceEvent>.stride + more
    }
}
