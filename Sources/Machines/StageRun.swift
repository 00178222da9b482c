public import LinuxSystem
import Logging
import Roots
public import SystemPackage
import Systemd

/// One script to run in a machine.
public struct Stage: ~Copyable, Sendable {
    /// What the script is for, such as `build_script`; shown inside the machine.
    public let name: String
    /// Absolute path of the shell inside; nil takes what the image has.
    public let shell: String?
    /// The script, which the shell reads as its standard input. Sealed: it stays what it was.
    let script: OwnedFileDescriptor

    public init(name: String, shell: String?, script: consuming OwnedFileDescriptor) {
        self.name = name
        self.shell = shell
        self.script = script
    }

    /// A script of a job may carry all its variables.
    public static let scriptLimitBytes = 256 << 20
}

/// How a stage ended. A stage whose end was not seen is none of these: that is an error.
public enum StageVerdict: Hashable, Sendable {
    case exited(Int32)
    case signalled(Int32)
    /// A signal asked for the end; the script was told, and then made, to end.
    case cancelled(Signal)
}

extension MachineHost {
    /// Runs a stage in a machine and passes its output on, byte for byte and in order, until the script itself has ended.
    ///
    /// Processes that it leaves behind live on, also when they hold its output. When a signal comes, SIGTERM goes to all
    /// processes of the stage and, after `grace`, SIGKILL; the machine stays.
    ///
    /// - Throws: ``MachineError/gone(_:_:)`` when the machine or its systemd goes away meanwhile;
    ///   ``MachineError/noShell(_:_:)``.
    public func run(
        _ stage: borrowing Stage, in record: MachineRecord, output: FileDescriptor, error: FileDescriptor,
        signals: borrowing SignalDescriptor, grace: Duration = .seconds(10)
    ) throws -> StageVerdict {
        guard let leader = record.leader else { throw MachineError.gone(record.name, "it never became ready") }
        do {
            return try relay(stage, record, leader.pid, output, error, signals, grace)
        } catch let error as BusError {
            throw MachineError.gone(record.name, "\(error)")
        } catch let error as UnitError {
            throw MachineError.gone(record.name, "\(error)")
        }
    }

    private func relay(
        _ stage: borrowing Stage, _ record: MachineRecord, _ leader: Int32, _ output: FileDescriptor,
        _ error: FileDescriptor, _ signals: borrowing SignalDescriptor, _ grace: Duration
    ) throws -> StageVerdict {
        let shell = stage.shell ?? record.shell
        let outputPipe = try Pipe(capacityBytes: OutputRelay.pipeBytes)
        let errorPipe = try Pipe(capacityBytes: OutputRelay.pipeBytes)
        var running = try MachineStage.start(
            StageCommand(
                exec: [shell], environment: StageEnvironment.variables(shell: shell),
                description: "Stage \(printable(stage.name))"),
            input: stage.script.descriptor, output: outputPipe.writeEnd.descriptor,
            error: errorPipe.writeEnd.descriptor, on: Bus.machine(leader: leader))
        var outputs = OutputRelay(
            first: try .init(from: outputPipe.closingWriteEnd(), to: output),
            second: try .init(from: errorPipe.closingWriteEnd(), to: error))
        var cancelled: Signal?
        var killAt: Deadline?
        while true {
            if let end = try running.process() {
                try outputs.finish { try running.drain($0) }
                if let cancelled { return .cancelled(cancelled) }
                return try verdict(end, record, shell)
            }
            var timeout = running.timeout
            if let killAt { timeout = min(timeout, killAt.remaining) }
            let ready = try Poll.wait(
                for: [.init(running.descriptor, .init(rawValue: running.events)), .init(signals.descriptor, .readable)]
                    + outputs.items, timeout: timeout)
            try outputs.forward(ready, firstItem: 2)
            if let signal = try signals.next(), cancelled == nil {
                cancelled = signal
                killAt = Deadline(after: grace)
                logger.notice("ending the script", metadata: ["signal": "\(signal)"])
                try running.kill(signal: Signal.terminate.rawValue)
            }
            if let deadline = killAt, deadline.hasPassed {
                try running.kill(signal: Signal.kill.rawValue)
                killAt = nil
            }
        }
    }

    private func verdict(_ end: StageEnd, _ record: MachineRecord, _ shell: String) throws -> StageVerdict {
        switch end {
        case .exited(let code): return .exited(code)
        case .signaled(let signal, _): return .signalled(signal)
        case .notStarted: throw MachineError.noShell(record.imageName, shell)
        }
    }
}

/// What a script finds in its environment; the job's own variables come with the script.
enum StageEnvironment {
    static func variables(shell: String) -> [String: String] {
        [
            "HOME": "/root", "USER": "root", "LOGNAME": "root", "SHELL": shell, "LANG": "C.UTF-8",
            "PATH": standardPath,
        ]
    }
}
