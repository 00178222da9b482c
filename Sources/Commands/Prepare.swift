import ArgumentParser
import GitLabExecutor
import LinuxSystem
import Machines
import Roots

/// `prepare_exec`.
struct Prepare: GitLabHook {
    static let configuration = CommandConfiguration(
        abstract: "Make and start the machine of a job (prepare_exec).",
        discussion: """
            The image is the one named here, else what the job names with image:, else --default-image. When this fails \
            or is stopped by a signal, nothing is left. Example by hand: nspawn-runner prepare --id 1 bookworm
            """)

    @Argument(help: "Image to use whatever the job says.")
    var image: String?

    @Option(help: ArgumentHelp("Job, when no runner says it.", valueName: "id"))
    var id: String?

    @Option(help: ArgumentHelp("Image for jobs that name none.", valueName: "name"))
    var defaultImage: String?

    @OptionGroup var machine: MachineOptions
    @OptionGroup var options: GlobalOptions

    func run() throws {
        let signals = try SignalDescriptor.termination()
        let settings = try machine.applied(to: options.settings())
        let environment = ProcessEnvironment.inherited()
        let job = try JobIdentity(id: id, environment: environment)
        let host = try HostEnvironment(settings, logger: options.logger())
        let image = try ImageChoice.image(
            [self.image, job.image, defaultImage ?? settings.defaultImage], in: host.store)
        let record = try host.machines.start(
            MachineRequest(
                name: job.machine, image: image, method: settings.clone, engine: host.engine,
                userNamespace: settings.privateUsers, timeout: job.timeout.map { $0 + settings.timeoutGrace }, key: job.server),
            signals: signals)
        try StandardOutput.write(
            "nspawn-runner: machine \(record.name) from image \(record.imageName), "
                + "clone method \(record.method), engine \(record.engine.rawValue)\n")
    }
}
