import ArgumentParser
import GitLabExecutor
import LinuxSystem
import Machines
import Roots

/// `cleanup_exec`.
struct Cleanup: GitLabHook {
    static let configuration = CommandConfiguration(
        abstract: "End the machine of a job and remove all of it (cleanup_exec).",
        discussion: """
            Returns when processes, mounts, root and record are gone. Succeeds when there is nothing. \
            Example by hand: nspawn-runner cleanup --id 1
            """)

    @Option(help: ArgumentHelp("Job, when no runner says it.", valueName: "id"))
    var id: String?

    @OptionGroup var options: GlobalOptions

    func run() throws {
        // Half a clean-up helps nobody: it is finished, in bounded time, whoever asks to stop.
        _ = try SignalDescriptor.termination()
        let job = try JobIdentity(id: id, environment: .inherited())
        let host: HostEnvironment
        do {
            host = try HostEnvironment(options.settings(), logger: options.logger())
        } catch RootError.noStore {
            return
        }
        try host.machines.end(job.machine, key: job.server)
    }
}
