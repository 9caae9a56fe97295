import FuzzSupport
import Lifeline

// URLs of WebSockets. A text is rejected with a reason, or its parts are valid and produce the same URL again.

@_cdecl("lifeline_fuzz_url")
public func fuzz(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    var input = FuzzInput(bytes, count)
    let text = String(decoding: input.remaining(), as: UTF8.self)
    do throws(WebSocketError) {
        let url = try WebSocketURL(text)
        check(!url.host.isEmpty && url.host.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "the host \(url.host)")
        check((1...65535).contains(url.port), "the port \(url.port)")
        check(url.path.hasPrefix("/") && url.path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "the path \(url.path)")
        // The description percent-encodes characters of the zone, which adds up to two bytes for each.
        let most = text.utf8.count + 2 * (url.zone?.utf8.count ?? 0) + 3
        check(url.description.utf8.count <= most, "\(url) of \(text)")
        check(try WebSocketURL(url.description) == url, "\(url) is read as another")
    } catch {
        check(error.code == .invalidRequest && !error.message.isEmpty, "refused with \(error)")
    }
    return 0
}
