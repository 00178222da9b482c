import ArgumentParser
import LinuxSystem
import Machines
import Roots

/// These verbs are told the store by who starts them; the configuration has been read by then.
extension ParsableCommand {
    fileprivate func settings(of options: GlobalOptions) -> Settings {
        var settings = Settings()
        if let store = options.store { settings.store = store }
        return settings
    }
}

/// Started by engines; becomes systemd-nspawn.
struct MachineExec: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "machine-exec", abstract: "Become the systemd-nspawn of a machine.", shouldDisplay: false)

    @Argument var name: String
    @Option var token: String
    @OptionGroup var options: GlobalOptions

    func run() throws {
        let host = try HostEnvironment(settings(of: options), logger: options.logger())
        try MachineEntry(host: host.machines).run(
            Name(name, of: .machine), token: token, environment: .inherited())
    }
}

/// Started beside machines, and by systemd after them; removes what they leave.
struct MachineReap: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "machine-reap", abstract: "Remove a machine once it has ended.", shouldDisplay: false)

    @Argument var name: String
    @Option var token: String
    @Option var watch: Int32?
    @Option var watchStart: UInt64?
    @OptionGroup var options: GlobalOptions

    func run() throws {
        let host = try HostEnvironment(settings(of: options), logger: options.logger())
        var process: ProcessIdentity?
        if let watch, let watchStart { process = ProcessIdentity(pid: watch, startTime: watchStart) }
        try Reaper(host: host.machines).run(
            Name(name, of: .machine), token: token, watching: process)
    }
}
