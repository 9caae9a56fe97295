#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A request of the page's script (`docs/page.md`).
package struct PageRequest: Codable, Hashable, Sendable {
    /// The number of the connection whose diagram is open, or `nil` for none.
    package var watch: UInt64?

    /// The most bytes of a request.
    static let limit = 1000

    /// Reads a message of the page. Returns `nil` if it is not a known request.
    package init?(_ text: String) {
        guard text.utf8.count < PageRequest.limit,
            let request = try? JSONDecoder().decode(PageRequest.self, from: Data(text.utf8))
        else { return nil }
        self = request
    }
}
