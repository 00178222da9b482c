import LinuxSystem
import SystemPackage

/// The command line of systemd-nspawn for one machine.
struct NspawnArguments {
    var name: String
    /// Where the root is mounted.
    var root: FilePath
    var engine: Engine
    var userRange: UserNamespace.IDRange?
    /// nil starts the image's init.
    var command: [String]?
    /// systemd's console mode: `read-only` goes to standard output, `autopipe` is a terminal or the three pipes.
    var console: String
    /// Whether systemd-nspawn asks machined for a scope of its own, as a foreground machine on a systemd host does.
    var ownScope: Bool

    /// Arguments, without the name of the program.
    var strings: [String] {
        var arguments = [
            "--quiet",
            "--directory=\(root.string)",
            "--machine=\(name)",
            // Nothing beside or in the image steers its own sandbox, and nothing is written through the image's links.
            "--settings=no", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
            // The root is thrown away (systemd 250).
            "--suppress-sync=yes",
            "--console=\(console)",
        ]
        if let userRange {
            // The mount maps the ids; systemd-nspawn has nothing to change on the disk (systemd 249).
            arguments += ["--private-users=\(userRange.base):\(userRange.count)", "--private-users-ownership=off"]
        } else {
            arguments.append("--private-users=no")
        }
        switch engine {
        case .systemd:
            if !ownScope { arguments.append("--keep-unit") }
        case .direct:
            arguments += ["--register=no", "--keep-unit"]
        }
        if let command {
            // A stub is PID 1: it reaps, and the command has the usual signal dispositions.
            arguments += ["--as-pid2", "--"] + command
        } else {
            arguments += ["--notify-ready=yes", "--boot"]
        }
        return arguments
    }

    static let executableName: FilePath.Component = "systemd-nspawn"

    /// Where systemd-nspawn is.
    ///
    /// - Throws: ``MachineError/nspawnMissing``.
    static func executable(path: String?) throws -> FilePath {
        let searched = (path.map { $0.split(separator: ":").map { FilePath(String($0)) } } ?? []) + ["/usr/bin", "/bin"]
        for directory in searched where directory.isAbsolute {
            if let found = try? Directory(directory), (try? found.file(FilePath(root: nil, [executableName]), [])) != nil {
                return directory.appending(executableName)
            }
        }
        throw MachineError.nspawnMissing
    }
}
