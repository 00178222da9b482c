import LinuxSystem
import Testing

@testable import Machines

@Suite struct NspawnArgumentsTests {
    private func arguments(
        engine: Engine, range: UserNamespace.IDRange?, command: [String]?, ownScope: Bool = false
    ) -> [String] {
        NspawnArguments(
            name: "run-1", root: "/s/.machines/run-1/mount", engine: engine, userRange: range, command: command,
            console: "read-only", ownScope: ownScope
        ).strings
    }

    @Test func `a booted machine under systemd`() {
        #expect(
            arguments(engine: .systemd, range: .init(base: 655360), command: nil) == [
                "--quiet", "--directory=/s/.machines/run-1/mount", "--machine=run-1", "--settings=no",
                "--link-journal=no", "--resolv-conf=off", "--timezone=off", "--suppress-sync=yes",
                "--console=read-only", "--private-users=655360:65536", "--private-users-ownership=off", "--keep-unit",
                "--notify-ready=yes", "--boot",
            ])
    }

    @Test func `a command without a user namespace on a host without systemd`() {
        #expect(
            arguments(engine: .direct, range: nil, command: ["-x", "--", "%i"]).suffix(8) == [
                "--console=read-only", "--private-users=no", "--register=no", "--keep-unit", "--as-pid2", "--", "-x",
                "--", "%i",
            ].suffix(8))
    }

    @Test func `in the foreground machined gives a scope`() {
        #expect(!arguments(engine: .systemd, range: nil, command: ["ls"], ownScope: true).contains("--keep-unit"))
    }
}
