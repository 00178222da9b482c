public import ArgumentParser
import LinuxSystem
import Logging
import Roots
public import SystemPackage

extension FilePath: @retroactive ExpressibleByArgument {
    public init?(argument: String) {
        // The system's calls would end the name at a NUL; an empty path means nothing.
        guard !argument.isEmpty, !argument.utf8.contains(0) else { return nil }
        self.init(argument)
    }
}

/// What every verb understands, before or after its name.
struct GlobalOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Directory of images and machines.", valueName: "directory"), completion: .directory)
    var store: FilePath?

    @Option(help: ArgumentHelp("Configuration file.", valueName: "file"), completion: .file(extensions: ["toml"]))
    var config: FilePath?

    @Flag(name: .shortAndLong, help: "Say what is done.")
    var verbose = false

    @Flag(help: "Say also what was decided and why.")
    var debug = false

    /// Settings after the configuration file, the environment and the options, later ones first.
    func settings() throws -> Settings { try Settings.load(options: self, environment: .inherited()) }

    func logger(default level: Logger.Level = .notice) -> Logger {
        var logger = Logger(label: "nspawn-runner") { _ in StandardErrorLogHandler() }
        logger.logLevel = debug ? .debug : verbose ? .info : level
        return logger
    }
}
