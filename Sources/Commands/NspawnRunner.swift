public import ArgumentParser
import GitLabExecutor
import Images
import LinuxSystem
import Machines
import Roots
import SystemPackage

/// The command `nspawn-runner`.
public struct NspawnRunner: ParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "nspawn-runner",
        abstract: "Ephemeral systemd-nspawn machines on copy-on-write roots, and GitLab jobs in them.",
        discussion: """
            The hooks of GitLab Runner's custom executor are gitlab-config, prepare, run and cleanup; «toml» prints how \
            to configure them. They exit with $BUILD_FAILURE_EXIT_CODE (1) when the job is at fault and with \
            $SYSTEM_FAILURE_EXIT_CODE (2) when the host is. All other verbs exit with 1 for a mistake in what was asked, \
            2 for a failure of the host, 64 for a command line that is not understood.
            """,
        version: version,
        subcommands: [],
        groupedSubcommands: [
            CommandGroup(
                name: "GitLab Runner",
                subcommands: [GitLabConfig.self, Prepare.self, Run.self, Cleanup.self, Toml.self]),
            CommandGroup(name: "Images", subcommands: [ImageGroup.self, ChrootList.self, ChrootCreate.self]),
            CommandGroup(name: "Machines", subcommands: [Spawn.self]),
            CommandGroup(name: "Internal", subcommands: [MachineExec.self, MachineReap.self]),
        ])

    public static let version = "0.1.0"

    @OptionGroup var options: GlobalOptions

    public init() {}

    /// Runs the command with the arguments of this process and ends it with the right exit code.
    public static func main() -> Never {
        Signal.ignore(.pipe)
        let command: any ParsableCommand
        do {
            command = try parseAsRoot()
        } catch {
            exit(withError: error)
        }
        do {
            var command = command
            try command.run()
        } catch {
            exit(withError: verdict(on: error, of: command))
        }
        exit()
    }

    /// Tells the error in one line and what exit code stands for it.
    private static func verdict(on error: any Error, of command: any ParsableCommand) -> any Error {
        if error is ExitCode || error is CleanExit || error is ValidationError { return error }
        StandardError.write("nspawn-runner: \(error)\n")
        let codes = ExitCodes(environment: .inherited())
        let isHook = command is any GitLabHook
        if isHook { return ExitCode(Mistake.isJobs(error) ? codes.buildFailure : codes.systemFailure) }
        return ExitCode(Mistake.isUsers(error) ? 1 : 2)
    }
}

/// A verb that gitlab-runner calls: its exit codes are the runner's.
protocol GitLabHook: ParsableCommand {}

/// Whose fault an error is.
enum Mistake {
    /// Whether the job's author can mend it; how machines are made is the administrator's choice.
    static func isJobs(_ error: any Error) -> Bool {
        switch error {
        case RootError.impossible, RootError.notPermitted: false
        default: isUsers(error)
        }
    }

    /// Whether another image or another spelling would do; everything else is the host's.
    static func isUsers(_ error: any Error) -> Bool {
        switch error {
        case let error as RootError: error.isMistake
        case let error as ImageError: error.isMistake
        case let error as JobError: error.isMistake
        case let error as MachineError: error.isMistake
        default: false
        }
    }
}

extension ImageError {
    var isMistake: Bool {
        switch self {
        case .toolMissing, .toolFailed, .interrupted: false
        case .inUse, .malformedSuite, .malformedPackage, .malformedMirror: true
        }
    }
}

extension JobError {
    var isMistake: Bool {
        switch self {
        case .noImage, .malformedImage: true
        case .noIdentity, .malformedIdentity, .unreadableResponse, .unreadableScript: false
        }
    }
}

extension MachineError {
    var isMistake: Bool {
        switch self {
        case .notAnInit, .noShell: true
        default: false
        }
    }
}
