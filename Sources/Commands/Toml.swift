import ArgumentParser
import GitLabExecutor

struct Toml: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print what goes into gitlab-runner's config.toml.",
        discussion: "Example: nspawn-runner toml >> /etc/gitlab-runner/config.toml, then fill in url and token.")

    @OptionGroup var options: GlobalOptions

    func run() throws {
        var arguments: [String] = []
        if let store = options.store { arguments += ["--store", store.string] }
        if let config = options.config { arguments += ["--config", config.string] }
        try StandardOutput.write(
            RunnerSnippet.toml(executable: HostEnvironment.executable().string, arguments: arguments))
    }
}
