import ArgumentParser
import GitLabExecutor
import LinuxSystem
import Machines
import Roots
import SystemPackage

/// `run_exec`.
struct Run: GitLabHook {
    static let configuration = CommandConfiguration(
        abstract: "Run one stage of a job in its machine (run_exec).",
        discussion: """
            The runner appends the script and the stage. Without a script, or with -, it is read from standard input. \
            Example by hand: echo uname -a | nspawn-runner run --id 1
            """)

    @Argument(help: "Script that the runner wrote.", completion: .file())
    var script: FilePath?

    @Argument(help: "Stage, such as build_script.")
    var stage: String = "script"

    @Option(help: ArgumentHelp("Job, when no runner says it.", valueName: "id"))
    var id: String?

    @Option(help: ArgumentHelp("Shell inside the machine; else bash, or sh where there is none.", valueName: "path"))
    var shell: String?

    @OptionGroup var options: GlobalOptions

    func run() throws {
        let signals = try SignalDescriptor.termination()
        let environment = ProcessEnvironment.inherited()
        let job = try JobIdentity(id: id, environment: environment)
        let host = try HostEnvironment(options.settings(), logger: options.logger())
        let codes = ExitCodes(environment: environment)
        let record = try host.machines.runningMachine(job.machine, key: job.server)
        let stage = Stage(name: stage, shell: shell, script: try sealedScript())
        do {
            let verdict = try host.machines.run(
                stage, in: record, output: .standardOutput, error: .standardError, signals: signals)
            try report(verdict, codes)
        } catch let error as MachineError where error.isMistake {
            // As a shell says it of a command that is not there; an earlier stage's code must not be read for this one.
            try codes.report(scriptExitCode: 127)
            throw error
        }
    }

    func validate() throws {
        if let shell, !shell.hasPrefix("/") { throw ValidationError("--shell must be an absolute path") }
    }

    private func sealedScript() throws -> OwnedFileDescriptor {
        guard let script, script != "-" else {
            return try MemoryFile.sealed("script", copying: .standardInput, limit: Stage.scriptLimitBytes)
        }
        do {
            let file = try Directory.openFile(script, followingLink: true)
            return try MemoryFile.sealed("script", copying: file.descriptor, limit: Stage.scriptLimitBytes)
        } catch {
            throw JobError.unreadableScript(script, "\(error.errno)")
        }
    }

    /// Under the runner a script's own exit code, 2 included, goes into the file, and the hook's says only that the job is
    /// at fault. By hand the script's own is what is wanted.
    private func report(_ verdict: StageVerdict, _ codes: ExitCodes) throws {
        let scriptExitCode: Int32
        switch verdict {
        case .exited(0): return
        case .exited(let code): scriptExitCode = code
        case .signalled(let number):
            StandardError.write("nspawn-runner: the script was ended by \(Signal(rawValue: number))\n")
            scriptExitCode = 128 + number
        case .cancelled(let signal):
            StandardError.write("nspawn-runner: the script was stopped by \(signal)\n")
            scriptExitCode = 128 + signal.rawValue
        }
        try codes.report(scriptExitCode: scriptExitCode)
        throw ExitCode(codes.isUnderRunner ? codes.buildFailure : scriptExitCode)
    }
}
