#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// What the page asks for: `docs/page.md` describes it.
package struct PageWish: Codable, Hashable, Sendable {
    /// The number of the connection whose diagram is open; `nil` for none.
    package var watch: UInt64?

    /// The most bytes of a wish.
    static let limit = 1000

    /// Reads a message of the page's; `nil` where it is none that is known.
    package init?(_ text: String) {
        guard text.utf8.count < PageWish.limit,
            let wish = try? JSONDecoder().decode(PageWish.self, from: Data(text.utf8))
        else { return nil }
        self = wish
    }
}
