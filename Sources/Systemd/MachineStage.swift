internal import CLinux
internal import CSystemd
internal import Glibc
internal import LinuxSystem
public import SystemPackage

/// A program to run inside a machine. Everything in it is taken literally and can be read by every user of the machine.
public struct StageCommand: Hashable, Sendable {
    /// The program's absolute path inside, and its arguments.
    public var exec: [String]
    /// All that the program gets: nothing of systemd's own is added.
    public var environment: [String: String]
    /// Absolute, inside; it must exist.
    public var workingDirectory: String
    public var description: String

    public init(exec: [String], environment: [String: String], workingDirectory: String = "/", description: String) {
        self.exec = exec
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.description = description
    }
}

/// How a program in a machine ended, as the machine's systemd saw it.
public enum StageEnd: Hashable, Sendable, CustomStringConvertible {
    case exited(code: Int32)
    case signaled(signal: Int32, dumpedCore: Bool)
    /// The program never ran. `result` is systemd's word (`exit-code`, `resources`, …), `status` one of the numbers of
    /// systemd.exec(5), such as 203 where the program is absent or 200 where the working directory is; 0 if unknown.
    case notStarted(result: String, status: Int32)

    public var description: String {
        switch self {
        case .exited(let code): "exit code \(code)"
        case .signaled(let signal, let dumpedCore): "signal \(signal)\(dumpedCore ? ", core dumped" : "")"
        case .notStarted(let result, let status): "not started: \(printable(result)), status \(status)"
        }
    }
}

/// A program that runs as a transient service of a machine's own systemd.
///
/// It is driven by the caller's poll loop: poll ``descriptor`` for ``events``, at most for ``timeout``, then call
/// ``process()``; take all three anew each time. The end is reported only when systemd has said how the program itself
/// ended: a lost machine, a stopped unit or a shutdown throw.
///
///     var stage = try MachineStage.start(command, input: script, output: out, error: err, on: .machine(leader: pid))
///     while true {
///         if let end = try stage.process() { break }
///         poll(stage.descriptor, stage.events, stage.timeout, and pipes, and signals)
///     }
///
/// Processes that the program has left behind stay in the machine, below the cgroup of the unit, which systemd keeps
/// for as long as there are any. A daemon-reexec of the machine's systemd (an upgrade of it by the job) drops the
/// connection; it is then made again.
public struct MachineStage: ~Copyable {
    /// Name of the unit inside the machine.
    public let unit: String
    private var bus: Bus
    private let job: String
    private let path: String
    private let patience: Duration
    /// A descriptor of the program's input, to see later whether somebody has read it; nil if it has no offset.
    // (Not in a private structure: release builds of Swift 6.3 then lack a symbol of it.)
    private let input: OwnedFileDescriptor?
    private let inputStart: Int64?

    /// What systemd answered when the start job ended; before that no state means an end: a unit is also `dead` before
    /// its start job has run.
    private var jobResult: String?
    private var end: StageEnd?
    /// The end, while systemd still holds the program's descriptors.
    private var endBeforeRelease: StageEnd?
    private var stopJob: String?
    /// Something has changed since the state was asked for.
    private var isStale = false
    /// Calls whose answers are awaited, by the number that the reply will carry.
    private var pending: [UInt64: (question: Question, deadline: Deadline)] = [:]
    private var answers: [Question: Answer] = [:]
    private var nextPing: Deadline

    private enum Question: Hashable {
        case subState, result, mainCode, mainStatus, systemState
        case ping, kill, stop, release
    }
    private enum Answer {
        case string(String)
        case number(Int32)
    }

    private static let state: [Question] = [.subState, .result, .mainCode, .mainStatus, .systemState]

    private init(
        unit: String, job: String, path: String, input: consuming OwnedFileDescriptor?, inputStart: Int64?, bus: consuming Bus, patience: Duration
    ) {
        self.input = input
        self.inputStart = inputStart
        self.unit = unit
        self.job = job
        self.path = path
        self.bus = bus
        self.patience = patience
        nextPing = Deadline(after: patience / 2)
    }

    /// Starts the program; takes 2 to 4 ms. Returns when systemd has accepted it, before it runs.
    ///
    /// - Parameters:
    ///   - input: The program gets this very open file, with its offset; the caller may close its descriptor at once.
    ///     So for `output` and `error`, which may be the same. Give a shell its script as a file: that it was read proves
    ///     that the shell ran, which its exit code 200 to 245 alone does not.
    ///   - bus: A connection to the machine, which the stage keeps.
    ///   - patience: How long the machine's systemd may leave a question unanswered while the program runs. It is asked
    ///     for a sign of life after half of that; a frozen one is noticed after one and a half.
    /// - Throws: ``BusError``: `timedOut`, `disconnected`, `invalidArguments` (a name of a variable that is none, say), `transactionIsDestructive` when the machine is shutting down.
    public static func start(
        _ command: StageCommand, input: FileDescriptor, output: FileDescriptor, error: FileDescriptor,
        on bus: consuming Bus, patience: Duration = .seconds(60)
    ) throws(BusError) -> MachineStage {
        let unit = try newUnitName("stage")
        let inputStart = try? input.seek(offset: 0, from: .current)
        let duplicate = inputStart == nil ? -1 : fcntl(input.rawValue, F_DUPFD_CLOEXEC, 3)
        let file = duplicate < 0 ? nil : OwnedFileDescriptor(owning: duplicate)
        var properties = UnitProperties.forStages
        properties.description = command.description
        properties.type = .exec
        // Processes that the program leaves behind live on, however it ends.
        properties.remainAfterExit = true
        properties.killMode = .process
        properties.workingDirectory = command.workingDirectory
        let names = command.environment.keys.sorted()
        properties.environment = names.map { "\($0)=\(command.environment[$0] ?? "")" }
        properties.unsetEnvironment = UnitProperties.addedVariables.filter { command.environment[$0] == nil }
        let job = try bus.startTransientUnit(
            unit,
            properties.list + UnitProperties.stageList + [
                Property("StandardInputFileDescriptor", .handle(input.rawValue)),
                Property("StandardOutputFileDescriptor", .handle(output.rawValue)),
                Property("StandardErrorFileDescriptor", .handle(error.rawValue)),
                Property("ExecStart", .command(command.exec)),
            ])
        return MachineStage(
            unit: unit, job: job, path: try unitPath(unit), input: file, inputStart: inputStart, bus: bus,
            patience: patience)
    }

    // MARK: Polling

    public var descriptor: FileDescriptor { bus.descriptor }
    public var events: Int16 { bus.events }
    /// How long a poll may last before ``process()`` is to be called all the same.
    public var timeout: Duration {
        var limit = nextPing.remaining
        for (_, deadline) in pending.values { limit = min(limit, deadline.remaining) }
        return bus.timeout.map { min($0, limit) } ?? limit
    }

    /// Does what there is to do, without waiting, and tells the end of the program once it is known and systemd has let
    /// go of the descriptors: then only processes which the program has left behind can still write to its output.
    ///
    /// - Throws: ``BusError``: `disconnected` when the machine is gone, `timedOut` when its systemd is frozen.
    ///   ``UnitError``: `stopped`, `machineStopping`, `jobFailed`. None of these is ever a success.
    public mutating func process() throws -> StageEnd? {
        if end == nil {
            do {
                try advance()
            } catch {
                // The end itself was seen; what comes after it only tidies up.
                guard let endBeforeRelease else { throw error }
                end = endBeforeRelease
            }
        }
        return end
    }

    private mutating func advance() throws {
        do {
            try receive()
        } catch {
            // Only when the start job is known to be done can the unit's state alone tell the rest.
            guard error.name == .disconnected, jobResult != nil, endBeforeRelease == nil, bus.isReconnectable else {
                throw error
            }
            try reconnect(after: error)
        }
        if end != nil { return }
        if endBeforeRelease == nil, let seen = try conclusion() {
            endBeforeRelease = seen
            // An active unit keeps the program's descriptors in systemd. Stopping it kills nothing (KillMode=process).
            try ask(.stop)
        }
        if isStale && jobResult != nil && endBeforeRelease == nil && !isAsking {
            isStale = false
            answers = [:]
            for question in Self.state { try ask(question) }
        }
        if nextPing.hasPassed {
            nextPing = Deadline(after: patience / 2)
            // One unanswered question is enough to tell silence.
            if pending.isEmpty { try ask(.ping) }
        }
        for (_, deadline) in pending.values where deadline.hasPassed {
            throw BusError("wait(\(unit))", result: -ETIMEDOUT)
        }
    }

    /// Sends a signal to every process of the unit, those left behind included, without waiting for the answer; that
    /// there is none to signal is no error. The end is then reported by ``process()``.
    public mutating func kill(signal: Int32) throws(BusError) {
        if end != nil { return }
        let name = unit
        let cookie = try bus.send(.manager, "KillUnit", about: unit) { message throws(BusError) in
            try message.append(name)
            try message.append(TransientUnit.Target.all.rawValue)
            try message.append(signal)
        }
        pending[cookie] = (.kill, Deadline(after: patience))
    }

    /// Has the machine itself read what is still written to a pipe, so that a process which the program has left behind
    /// can write on and never gets `SIGPIPE`. Call it after the end, when nothing more is to be read, then close.
    ///
    /// A second small unit runs `cat` inside until the last writer is gone. It makes the pipe blocking.
    ///
    /// - Parameter readEnd: The read end of a pipe that was the program's output.
    /// - Returns: false if there is no writer any more, and so nothing to do.
    /// - Throws: ``BusError``.
    @discardableResult
    public borrowing func drain(_ readEnd: FileDescriptor) throws -> Bool {
        var item = [clinux_poll(descriptor: readEnd.rawValue, events: 0, ready: 0)]
        if clinux_poll(&item, 1, 0) > 0 && item[0].ready & Int16(POLLHUP) != 0 { return false }
        try readEnd.setNonblocking(false)
        var properties = UnitProperties.forStages
        properties.description = "Output of \(unit) after its end"
        properties.type = .simple
        properties.collectMode = .inactiveOrFailed
        properties.standardOutput = .null
        properties.standardError = .null
        _ = try bus.startTransientUnit(
            Self.newUnitName("drain"),
            properties.list + UnitProperties.stageList + [
                Property("StandardInputFileDescriptor", .handle(readEnd.rawValue)),
                // A shell has its own place everywhere, and knows where cat is.
                Property("ExecStart", .command(["/bin/sh", "-c", "exec cat"])),
            ])
        return true
    }

    // MARK: Questions and answers

    private var isAsking: Bool { pending.values.contains { Self.state.contains($0.question) } }

    private mutating func receive() throws(BusError) {
        while let message = try bus.nextMessage() {
            nextPing = Deadline(after: patience / 2)
            switch try message.meaning() {
            case .jobRemoved(job, let result):
                jobResult = result
                isStale = true
            case .jobRemoved(stopJob, _):
                // A failed unit is forgotten. systemd lets go of descriptors before it reads this next question.
                stopJob = nil
                try ask(.release)
            case .propertiesChanged(path): isStale = true
            case .reply(let cookie, let error):
                guard let (question, _) = pending.removeValue(forKey: cookie) else { break }
                try take(question, message, error)
            case .jobRemoved, .propertiesChanged, .other: break
            }
        }
    }

    private mutating func take(
        _ question: Question, _ message: borrowing Message, _ error: BusError?
    ) throws(BusError) {
        switch question {
        case .ping, .kill: break
        case .stop:
            if let error { throw error }
            stopJob = try message.readPath()
        case .release: end = endBeforeRelease
        case .subState, .result, .systemState:
            if let error { throw error }
            try message.enter("v", "s")
            answers[question] = .string(try message.readString())
        case .mainCode, .mainStatus:
            if let error { throw error }
            try message.enter("v", "i")
            answers[question] = .number(Int32(clamping: try message.readNumber("i")))
        }
    }

    private mutating func ask(_ question: Question) throws(BusError) {
        let cookie: UInt64
        switch question {
        case .subState: cookie = try get("SubState", of: .unit(path))
        case .result: cookie = try get("Result", of: .service(path))
        case .mainCode: cookie = try get("ExecMainCode", of: .service(path))
        case .mainStatus: cookie = try get("ExecMainStatus", of: .service(path))
        case .systemState: cookie = try get("SystemState", of: .manager)
        case .ping, .kill: cookie = try bus.send(Bus.Object.manager.peer, "Ping", about: unit) { _ in }
        case .stop:
            let name = unit
            cookie = try bus.send(.manager, "StopUnit", about: unit) { message throws(BusError) in
                try message.append(name)
                try message.append("replace")
            }
        case .release:
            let name = unit
            cookie = try bus.send(.manager, "ResetFailedUnit", about: unit) { message throws(BusError) in
                try message.append(name)
            }
        }
        pending[cookie] = (question, Deadline(after: patience))
    }

    private borrowing func get(_ property: String, of object: Bus.Object) throws(BusError) -> UInt64 {
        try bus.send(object.properties, "Get", about: "\(unit) \(property)") { message throws(BusError) in
            try message.append(object.interface)
            try message.append(property)
        }
    }

    private mutating func reconnect(after lost: BusError) throws(BusError) {
        bus = try bus.reconnected(after: lost)
        pending = [:]
        answers = [:]
        isStale = true
    }

    /// What a complete set of answers says, if there is one.
    private mutating func conclusion() throws -> StageEnd? {
        guard let jobResult, answers.count == Self.state.count, case .string(let subState)? = answers[.subState],
            case .string(let result)? = answers[.result], case .number(let code)? = answers[.mainCode],
            case .number(let status)? = answers[.mainStatus], case .string(let systemState)? = answers[.systemState]
        else { return nil }
        answers = [:]
        // A shutdown ends programs, which may answer that with any exit code, even 0.
        if systemState == "stopping" { throw UnitError.machineStopping(unit: unit) }
        switch subState {
        case "exited", "failed":
            return try Self.end(
                code: code, status: status, result: result, job: jobResult, wasRead: inputWasRead, unit: unit)
        case "dead":
            // With RemainAfterExit a unit does not get there by itself.
            if jobResult == "done" { throw UnitError.stopped(unit: unit) }
            throw UnitError.jobFailed(unit: unit, job: jobResult, result: result, status: nil)
        default: return nil
        }
    }

    /// - Parameters:
    ///   - code: `CLD_EXITED`, `CLD_KILLED` or `CLD_DUMPED`, 0 if there was no process.
    ///   - status: The exit code or the signal.
    ///   - job: How the start job ended.
    ///   - wasRead: Whether the program is known to have read its input.
    static func end(
        code: Int32, status: Int32, result: String, job: String, wasRead: Bool, unit: String
    ) throws -> StageEnd {
        switch code {
        case 1:
            // systemd's child ends with 200 to 245 when it cannot execute the program, and its start job fails. But so
            // does the job of a program that ends before systemd has looked: of 200 scripts `exit 203`, 60.
            if job != "done" && !wasRead && (200...245).contains(status) {
                return .notStarted(result: result, status: status)
            }
            return .exited(code: status)
        case 2: return .signaled(signal: status, dumpedCore: false)
        case 3: return .signaled(signal: status, dumpedCore: true)
        default:
            if result == "success" {
                throw UnitError.jobFailed(unit: unit, job: job, result: result, status: nil)
            }
            return .notStarted(result: result, status: 0)
        }
    }

    /// Whether the program's input was read: the offset is shared. false too if it cannot be told, as with pipes and devices.
    private var inputWasRead: Bool {
        guard let inputStart else { return false }
        switch input {
        case .some(let copy): return (try? copy.descriptor.seek(offset: 0, from: .current)) != inputStart
        case .none: return false
        }
    }

    // MARK: Names

    /// Never the same twice in a machine, since the units of earlier stages stay.
    private static func newUnitName(_ kind: String) throws(BusError) -> String {
        var bits: UInt64 = 0
        try answer("getrandom", clinux_random(&bits, MemoryLayout.size(ofValue: bits)))
        return "nspawn-runner-\(kind)-\(String(bits, radix: 16)).service"
    }

    private static func unitPath(_ unit: String) throws(BusError) -> String {
        var raw: UnsafeMutablePointer<CChar>?
        try answer("encode(\(unit))", sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &raw))
        guard let raw else { throw BusError("encode(\(unit))", result: -ENOMEM) }
        defer { free(raw) }
        return String(cString: raw)
    }
}
