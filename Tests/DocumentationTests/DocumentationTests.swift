import Foundation
import Testing

/// Each piece of Swift that the README and the articles show stands in `Snippets.swift`, which is compiled.
@Suite("Documentation")
struct DocumentationTests {
    private static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    @Test(
        "what is shown compiles",
        arguments: [
            "README.md", "Sources/Lifeline/Lifeline.docc/ConnectAClient.md",
            "Sources/Lifeline/Lifeline.docc/PushFromTheServer.md",
            "Sources/Lifeline/Lifeline.docc/StreamBigMessages.md",
            "Sources/Lifeline/Lifeline.docc/ShutDown.md", "Sources/LifelineCore/LifelineCore.docc/DriveAnEndpoint.md",
        ])
    func shownCodeCompiles(path: String) throws {
        let snippets = lines(try text("Tests/DocumentationTests/Snippets.swift")).joined(separator: "\n")
        let blocks = try swiftBlocks(in: text(path))
        #expect(!blocks.isEmpty)
        for block in blocks {
            let code = lines(block).filter { !$0.hasPrefix("import ") }
            #expect(snippets.contains(code.joined(separator: "\n")), "in \(path): \(block)")
        }
    }

    private func text(_ path: String) throws -> String {
        try String(contentsOf: Self.root.appending(path: path), encoding: .utf8)
    }

    /// The lines without their indentation, and without empty ones.
    private func lines(_ text: String) -> [String] {
        text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    }

    private func swiftBlocks(in text: String) throws -> [String] {
        text.components(separatedBy: "```swift\n").dropFirst().map { $0.components(separatedBy: "```")[0] }
    }
}
