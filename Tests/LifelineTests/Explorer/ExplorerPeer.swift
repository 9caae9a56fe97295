import LifelineCore
import LifelineTesting

/// A peer that speaks bytes, and what it has said.
final class ExplorerPeer {
    /// How far a message in fragments, or a frame in halves, has come.
    enum Inside: Int {
        case nothing, fragments, half
    }

    let raw: RawPeer
    /// The side that it plays.
    let side: ExplorerSide
    let compresses: Bool
    /// The messages that it has sent in full, and rightly.
    private(set) var sent: [[UInt8]] = []
    /// Whether something was wrong, so that nobody knows what comes of what follows.
    private(set) var isBroken = false
    private(set) var hasClosed = false
    private(set) var inside = Inside.nothing
    private(set) var hasEnded = false
    private var fragments: [UInt8] = []
    private var rest: [UInt8] = []
    private var whole: [UInt8] = []
    private var serial = 0

    init(_ raw: RawPeer, _ side: ExplorerSide, compresses: Bool) {
        self.raw = raw
        self.side = side
        self.compresses = compresses
    }

    func perform(_ event: ExplorerEvent) {
        switch event {
        case .peerText: message(1, 20)
        case .peerBinary: message(2, 200)
        case .peerBurst: for _ in 0..<4 { message(2, 700) }
        case .peerFragmentBegins: fragment(2, isFirst: true, isLast: false)
        case .peerFragmentGoesOn: fragment(0, isFirst: false, isLast: false)
        case .peerFragmentEnds: fragment(0, isFirst: false, isLast: true)
        case .peerCompressed: compressed()
        case .peerPing: control(WireFrame.ping("p"))
        case .peerPong: control(WireFrame.pong("p"))
        case .peerClose:
            control(WireFrame.close(1000, "peer"))
            hasClosed = true
        case .peerGarbage:
            send(WireFrame.client(0xB, reserved: 2, [1, 2, 3]))
            isBroken = true
        case .peerHalfFrame: half()
        case .peerCrowd:
            let frames = [next(20), next(300)].map { WireFrame.binary($0) } + [.ping("c"), .close(1001)]
            guard inside == .nothing else { return breaks(frames.flatMap { masked($0).bytes }) }
            if isFree { sent += frames.prefix(2).map(\.payload) }
            raw.send(frames.flatMap { masked($0).bytes })
            hasClosed = true
        case .peerEnds:
            raw.end()
            hasEnded = true
        case .peerResets:
            raw.transport.reset()
            hasEnded = true
        case .peerStopsReading: raw.transport.setReading(false)
        case .peerReads: raw.transport.setReading(true)
        default: break
        }
    }

    private var isFree: Bool { !isBroken && !hasClosed && !hasEnded }

    private func next(_ size: Int) -> [UInt8] {
        serial += 1
        return ExplorerApp.payload(side, serial, size)
    }

    private func masked(_ frame: WireFrame) -> WireFrame { side == .client ? frame : frame.unmasked }

    private func send(_ frame: WireFrame) {
        // Behind half a frame it is the frame's payload.
        if inside == .half { isBroken = true }
        raw.send(masked(frame).bytes)
    }

    private func breaks(_ bytes: [UInt8]) {
        isBroken = true
        raw.send(bytes)
    }

    private func control(_ frame: WireFrame) { send(frame) }

    private func message(_ opcode: UInt8, _ size: Int) {
        let payload = next(size)
        if inside != .nothing { isBroken = true }
        if isFree { sent.append(payload) }
        send(WireFrame.client(opcode, payload))
    }

    private func compressed() {
        let payload = next(40)
        if inside != .nothing || !compresses { isBroken = true }
        if isFree { sent.append(payload) }
        // One stored block, and the beginning of the empty one whose end is left out (RFC 7692 §7.2.1).
        let count = UInt8(payload.count)
        send(WireFrame.client(2, reserved: 4, [0, count, 0, ~count, 0xFF] + payload + [0]))
    }

    private func fragment(_ opcode: UInt8, isFirst: Bool, isLast: Bool) {
        let part = isFirst ? next(100) : [UInt8](repeating: UInt8(ascii: "-"), count: 100)
        if (inside == .fragments) == isFirst || inside == .half { isBroken = true }
        fragments = isFirst ? part : fragments + part
        if fragments.count > 3000 { isBroken = true }
        var frame = WireFrame.client(opcode, part)
        frame.isFinal = isLast
        send(frame)
        if inside == .half { return }
        if isLast, isFree { sent.append(fragments) }
        inside = isLast ? .nothing : .fragments
    }

    private func half() {
        if inside == .half {
            raw.send(rest)
            inside = .nothing
            if isFree { sent.append(whole) }
        } else {
            if inside == .fragments { isBroken = true }
            whole = next(60)
            let bytes = masked(WireFrame.text(String(decoding: whole, as: UTF8.self))).bytes
            raw.send(Array(bytes.prefix(bytes.count / 2)))
            rest = Array(bytes.dropFirst(bytes.count / 2))
            inside = .half
        }
    }
}
