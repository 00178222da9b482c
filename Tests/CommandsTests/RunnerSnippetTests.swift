import GitLabExecutor
import TOMLKit
import Testing

/// Row N14.
@Suite struct RunnerSnippetTests {
    @Test(arguments: ["/usr/bin/nspawn-runner", "/a \"quoted\" \\path\n/x"])
    func `the snippet is TOML with every hook by its absolute path`(executable: String) throws {
        let table = try TOMLTable(string: RunnerSnippet.toml(executable: executable, arguments: ["--store", "/s"]))
        let runner = try #require(table["runners"]?.array?.first?.table)
        #expect(runner["executor"]?.string == "custom")
        #expect(runner["builds_dir"]?.string == "/builds" && runner["cache_dir"]?.string == "/cache")
        #expect(runner["url"]?.string != nil && runner["token"]?.string != nil)
        let custom = try #require(runner["custom"]?.table)
        for (hook, verb) in [("config", "gitlab-config"), ("prepare", "prepare"), ("run", "run"), ("cleanup", "cleanup")] {
            #expect(custom["\(hook)_exec"]?.string == executable)
            #expect(custom["\(hook)_args"]?.array?.map { $0.string ?? "" } == [verb, "--store", "/s"])
        }
    }
}
