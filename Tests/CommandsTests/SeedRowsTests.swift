import Foundation
import Testing

/// docs/seed-rows.md promises a test for every row: each must be there.
@Suite struct SeedRowsTests {
    private static let repository = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private static let rowsOfStep1 = [
        "B1", "B3", "B4", "B5", "B7", "B8", "B9", "N8", "N9", "N10", "N11", "N13", "N15", "N17", "N18", "N20", "N21", "N22",
        "N23", "N26", "N28", "N29", "N31", "N35", "N41", "N42", "N43", "N45",
    ]

    @Test func `every row names tests that exist`() throws {
        let table = try String(
            contentsOf: Self.repository.appendingPathComponent("docs/seed-rows.md"), encoding: .utf8)
        let sources = try Self.testSources()
        var seen: Set<String> = []
        for line in table.split(separator: "\n") where line.hasPrefix("| ") && !line.hasPrefix("| row") {
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 4, !cells[0].hasPrefix("-") else { continue }
            seen.insert(cells[0])
            let tests = cells[2].components(separatedBy: "; ")
            for test in tests {
                let parts = test.components(separatedBy: ": ")
                let file = try #require(sources[parts[0]], "\(cells[0]): there is no \(parts[0])")
                let name = parts.dropFirst().joined(separator: ": ")
                #expect(file.contains("func `\(name)`"), "\(cells[0]): \(parts[0]) has no «\(name)»")
            }
        }
        #expect(Set(Self.rowsOfStep1).subtracting(seen) == [], "rows without a line")
    }

    /// Contents by name of file.
    private static func testSources() throws -> [String: String] {
        var sources: [String: String] = [:]
        let files = FileManager.default.enumerator(at: repository.appendingPathComponent("Tests"), includingPropertiesForKeys: nil)
        while let file = files?.nextObject() as? URL {
            guard file.pathExtension == "swift" else { continue }
            sources[file.lastPathComponent] = try String(contentsOf: file, encoding: .utf8)
        }
        return sources
    }
}
