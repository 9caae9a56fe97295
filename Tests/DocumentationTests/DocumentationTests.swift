import Foundation
import Testing

/// Every piece of Swift in the repository's Markdown files stands in a file of `Snippets/`, which is compiled.
@Suite("Documentation")
struct DocumentationTests {
    private static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// The paths of all Markdown files, without those of dependencies and of build directories.
    private static let documents: [String] = {
        let prefix = root.standardizedFileURL.path(percentEncoded: false)
        let names = FileManager.default.enumerator(atPath: prefix)
        var paths: [String] = []
        while let path = names?.nextObject() as? String {
            let name = path.split(separator: "/").last ?? ""
            if name.hasPrefix(".build") || name == ".git" || name == "node_modules" {
                names?.skipDescendants()
            } else if name.hasSuffix(".md") {
                paths.append(path)
            }
        }
        return paths.sorted()
    }()

    private static let snippets: [String] = {
        let directory = root.appending(path: "Tests/DocumentationTests/Snippets")
        let files = (try? FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)) ?? []
        return files.filter { $0.pathExtension == "swift" }.compactMap { file in
            (try? String(contentsOf: file, encoding: .utf8)).map { lines($0).joined(separator: "\n") + "\n" }
        }
    }()

    @Test("Every Markdown file is found")
    func documentsAreFound() {
        for path in ["README.md", "docs/page.md", "Sources/Lifeline/Lifeline.docc/GettingStarted.md"] {
            #expect(Self.documents.contains(path))
        }
    }

    @Test("Every snippet is compiled", arguments: documents)
    func shownCodeCompiles(path: String) throws {
        for block in try blocks(in: text(path)) where block.language == "swift" {
            let code = Self.lines(block.code).filter { !$0.hasPrefix("import ") }.joined(separator: "\n") + "\n"
            #expect(
                Self.snippets.contains { $0.contains(code) },
                "\(path), line \(block.line): no file in Tests/DocumentationTests/Snippets has this: \(block.code)")
        }
    }

    @Test("Every code block is closed", arguments: documents)
    func blocksEnd(path: String) throws {
        let fences = try text(path).split(separator: "\n").count { $0.drop { $0 == " " }.hasPrefix("```") }
        #expect(fences.isMultiple(of: 2), "\(path): \(fences) lines begin with ```")
    }

    private func text(_ path: String) throws -> String {
        try String(contentsOf: Self.root.appending(path: path), encoding: .utf8)
    }

    /// The lines without their indentation, and without empty ones.
    private static func lines(_ text: String) -> [String] {
        text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    }

    private struct Block {
        var language: String
        var line: Int
        var code: String
    }

    /// The fenced blocks of a document, indented ones too.
    private func blocks(in text: String) -> [Block] {
        var blocks: [Block] = []
        var isInside = false
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let content = line.drop { $0 == " " }
            if content.hasPrefix("```") {
                isInside.toggle()
                if isInside { blocks.append(Block(language: String(content.dropFirst(3)), line: index + 1, code: "")) }
            } else if isInside {
                blocks[blocks.count - 1].code += line + "\n"
            }
        }
        return blocks
    }
}
