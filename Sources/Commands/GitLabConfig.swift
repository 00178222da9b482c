import ArgumentParser
import GitLabExecutor
import LinuxSystem

/// `config_exec`.
struct GitLabConfig: GitLabHook {
    static let configuration = CommandConfiguration(
        commandName: "gitlab-config", abstract: "Print the executor's JSON for GitLab Runner (config_exec).",
        discussion: "Standard output has one JSON object and nothing else. Example: config_args = [\"gitlab-config\"]")

    @OptionGroup var options: GlobalOptions

    func run() throws {
        _ = try options.settings()
        let configuration = DriverConfiguration(
            version: NspawnRunner.version, hostname: try HostName.current(), jobEnvironment: [:])
        try StandardOutput.write(try configuration.json() + "\n")
    }
}

enum HostName {
    /// nil when the host has none.
    static func current() throws -> String? {
        let bytes = try Directory("/proc/sys/kernel").contents("hostname", limit: 256, [])
        let name = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        return name.isEmpty || name == "(none)" ? nil : name
    }
}
