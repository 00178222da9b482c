import Roots
import Testing

@testable import GitLabExecutor

@Suite struct ImageReferenceTests {
    /// Row N43.
    @Test(arguments: [
        ("debian", ["debian"]), ("debian-12.1", ["debian-12.1"]),
        // The original program took `12`.
        ("debian:12", ["debian-12"]),
        ("debian:latest", ["debian-latest", "debian"]),
        ("group/debian", ["debian"]),
        ("registry.example.com:5000/group/sub/debian:bookworm", ["debian-bookworm"]),
        ("localhost:5000/debian", ["debian"]),
    ])
    func `a name is read as docker does`(text: String, names: [String]) {
        #expect(ImageReference(text)?.candidates.map(\.description) == names)
    }

    @Test(arguments: [
        "", "/", "..", ".", "a/..", "../a", "x/", "/x", "a//b", ".git", "a/.git", "-D/", "-D", "a\nb", "a;b", "%i", "$(id)",
        "a b", "é", "a:b:c", "a:", ":a", "a:-x", "host:port/a", "host:99999/a", "debian@sha256:0123", ".#machine",
        String(repeating: "a", count: 300), "\u{202E}a",
    ])
    func `what no image can be called is refused`(text: String) {
        #expect(ImageReference(text) == nil)
    }
}
