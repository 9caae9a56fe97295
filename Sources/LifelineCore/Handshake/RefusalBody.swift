/// The first bytes of the body with which a server refused a handshake, as they arrive
/// ([RFC 9112 §6.3, §7.1](https://www.rfc-editor.org/rfc/rfc9112#section-6.3)).
///
/// Each byte is looked at once, wherever the body is split.
struct RefusalBody {
    /// What comes next.
    private enum Part {
        /// The body itself; that many bytes more, or, where it is `nil`, all up to the end of the stream.
        case content(Int?)
        /// A chunk's size in hexadecimal digits, as far as it has come; `nil` before the first digit.
        case chunkSize(Int?)
        /// What follows the size up to the line's end: extensions, which mean nothing here.
        case chunkExtension(Int)
        /// A chunk; that many bytes more.
        case chunk(Int)
        /// The line break behind a chunk; that many bytes more.
        case chunkEnd(Int)
        /// Nothing: the body is complete, or cannot be read on.
        case nothing
    }

    /// The body as far as it has come, without the framing of its chunks.
    private(set) var bytes: [UInt8] = []
    private var part: Part
    /// The bytes that may come yet, with the framing of chunks.
    private var allowed = RefusalBody.maximumRawSize

    /// Chunks take a few bytes more than what they carry.
    private static let maximumRawSize = 2 * HandshakeFailure.maximumBodySize

    /// A body that ends as the head before it says.
    init(contentLength: Int? = nil, isChunked: Bool = false) {
        part = isChunked ? .chunkSize(nil) : contentLength == 0 ? .nothing : .content(contentLength)
    }

    /// Whether no more needs to be read.
    var isComplete: Bool {
        if case .nothing = part { return true }
        return allowed == 0 || bytes.count >= HandshakeFailure.maximumBodySize
    }

    /// Whether nothing but the end of the stream says where the body ends.
    var endsWithStream: Bool {
        if case .content(nil) = part { true } else { false }
    }

    /// Takes as many bytes as are kept.
    mutating func append(_ input: UnsafeRawBufferPointer) {
        for byte in input {
            guard !isComplete else { return }
            allowed -= 1
            append(byte)
        }
    }

    private mutating func append(_ byte: UInt8) {
        switch part {
        case .content(let rest):
            bytes.append(byte)
            part = rest == 1 ? .nothing : .content(rest.map { $0 - 1 })
        case .chunkSize(let size):
            switch byte {
            case 0x0A: beginChunk(size)
            case 0x0D, 0x20, 0x09, UInt8(ascii: ";"): part = size.map(Part.chunkExtension) ?? .nothing
            default:
                // Of a size that is none, or too large to be meant, there is nothing to be read.
                let (size, overflow) = (size ?? 0).multipliedReportingOverflow(by: 16)
                guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, !overflow else {
                    part = .nothing
                    return
                }
                part = .chunkSize(size + digit)
            }
        case .chunkExtension(let size):
            if byte == 0x0A { beginChunk(size) }
        case .chunk(let rest):
            bytes.append(byte)
            part = rest > 1 ? .chunk(rest - 1) : .chunkEnd(2)
        case .chunkEnd(let rest):
            part = rest > 1 ? .chunkEnd(rest - 1) : .chunkSize(nil)
        case .nothing: break
        }
    }

    /// The last chunk has no bytes; the trailer behind it means nothing here.
    private mutating func beginChunk(_ size: Int?) {
        part = (size ?? 0) > 0 ? .chunk(size ?? 0) : .nothing
    }
}
