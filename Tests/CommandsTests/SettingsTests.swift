import Testing

@testable import Commands

@Suite struct SettingsTests {
    /// Row N13.
    @Test func `paths are those of the original program`() {
        #expect(Settings().store == "/var/lib/nspawn-runner")
        #expect(Settings.defaultFile == "/etc/nspawn-runner/config.toml")
    }

    @Test func `options may stand before the verb`() throws {
        let command = try NspawnRunner.parseAsRoot(["-v", "--store", "/s", "image", "list", "--json"])
        let list = try #require(command as? ImageGroup.List)
        #expect(list.options.verbose && list.options.store == "/s" && list.json)
    }

    /// Rows N10, N11: the flags and positional arguments of the original program.
    @Test func `the hooks take the original's arguments`() throws {
        let prepare = try #require(
            NspawnRunner.parseAsRoot(["--debug", "prepare", "--id", "7", "--default-image", "sid", "buster"]) as? Prepare)
        #expect(prepare.id == "7" && prepare.defaultImage == "sid" && prepare.image == "buster" && prepare.options.debug)
        let run = try #require(
            NspawnRunner.parseAsRoot(["run", "--id", "7", "--shell", "/bin/sh", "/tmp/script", "get_sources"]) as? Run)
        #expect(run.id == "7" && run.shell == "/bin/sh" && run.script == "/tmp/script" && run.stage == "get_sources")
        let cleanup = try #require(NspawnRunner.parseAsRoot(["cleanup", "--id", "7"]) as? Cleanup)
        #expect(cleanup.id == "7")
    }
}
