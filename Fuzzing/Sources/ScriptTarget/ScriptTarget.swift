import FuzzSupport
import Lifeline

@testable import CommandReaders

// Scripts of `lifeline trace`, and numbers of the command line. A line is a step or rejected, and no number exceeds the documented
// limits.

@_cdecl("lifeline_fuzz_script")
public func fuzz(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    var input = FuzzInput(bytes, count)
    let text = String(decoding: input.remaining(), as: UTF8.self)
    if let steps = try? ScriptStep.parse(text, "script") {
        check(steps.count <= text.utf8.count, "\(steps.count) steps")
        for step in steps {
            switch step {
            case .receive(let count): check(count > 0, "nothing is to be received")
            case .wait(let time): check((.zero...TimeSpan.longest).contains(time), "a wait of \(time)")
            case .close(let code, let reason):
                check((try? CloseFrame(code: code, reason: reason)) != nil, "a Close frame that cannot be sent")
            case .send, .ping: break
            }
        }
    }
    for word in text.split(whereSeparator: \.isWhitespace).prefix(64).map(String.init) {
        if let time = TimeSpan(argument: word) {
            check((.zero...TimeSpan.longest).contains(time.duration), "a time of \(time)")
            check(TimeSpan(argument: time.description) != nil, "\(time) is none")
        }
        if let count = ByteCount(argument: word) {
            check((1...1 << 40).contains(count.bytes), "\(count.bytes) bytes")
            check(ByteCount(argument: count.description)?.bytes == count.bytes, "\(count) is another")
        }
        if let size = ByteCount(number: word) {
            check((0...1 << 40).contains(size.bytes), "\(size.bytes) bytes")
            check(ByteCount(number: size.description) == size, "\(size) is another")
        }
        if let address = ListenAddress(argument: word) {
            check((0...65535).contains(address.port) && !address.host.isEmpty, "\(word) is an address")
        }
        _ = FaultThreshold(argument: word)
    }
    return 0
}
