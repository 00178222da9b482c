import ArgumentParser
import GitLabExecutor
import LinuxSystem
import Machines
import Roots

struct Spawn: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a command in an ephemeral machine, in the foreground.",
        discussion: """
            What systemd-nspawn -x does, natively: the root is made from the image, the exit status is the command's, and \
            the root is gone afterwards, also when this is killed. Without a command the machine is booted. \
            Example: nspawn-runner spawn bookworm -- cat /etc/os-release
            """)

    @Argument(help: "Image.")
    var image: String

    @OptionGroup var machine: MachineOptions
    @OptionGroup var options: GlobalOptions

    @Argument(parsing: .postTerminator, help: ArgumentHelp("Command and its arguments.", valueName: "command"))
    var command: [String] = []

    func run() throws {
        let settings = try machine.applied(to: options.settings())
        let host = try HostEnvironment(settings, logger: options.logger())
        let image = try ImageChoice.image([image], in: host.store)
        let end = try host.machines.runInForeground(
            MachineRequest(
                name: try MachineNames.random(for: image), image: image, method: settings.clone, engine: host.engine,
                userNamespace: settings.privateUsers, command: command.isEmpty ? nil : command))
        switch end {
        case .exited(0): return
        case .exited(let code): throw ExitCode(code)
        case .signalled(let signal): throw ExitCode(128 + signal.rawValue)
        }
    }
}
