import ArgumentParser

struct NspawnRunner: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nspawn-runner", abstract: "Copy-on-write container roots and a GitLab Runner executor on them.")
}

NspawnRunner.main()
