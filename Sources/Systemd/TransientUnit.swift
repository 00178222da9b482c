internal import LinuxSystem
public import SystemPackage

/// A service that exists only while systemd runs, known by its name; holds no resource.
///
/// Every call is one or two round trips on `bus` (about 0.3 ms each), unless it says that it waits.
public struct TransientUnit: Hashable, Sendable {
    /// With its suffix, such as `nspawn-runner-42.service`.
    public let name: String

    public init(_ name: String) { self.name = name }

    /// Which processes of a unit get a signal.
    public enum Target: String, Sendable { case main, control, all }

    /// Starts the unit and waits until it is up, which for `Type=notify` means that it has said so.
    ///
    /// When this throws ``UnitError`` `timedOut` or `interrupted` the unit still exists; ``stop(on:timeout:interrupt:)`` it.
    ///
    /// - Parameters:
    ///   - exec: The program's absolute path and its arguments, taken literally.
    ///   - timeout: For everything together.
    ///   - interrupt: When this is readable (a signalfd, say) the wait ends; nothing is read from it.
    /// - Throws: ``BusError`` (`unitExists`, `propertyReadOnly`, `invalidArguments`, `timedOut`, `disconnected`),
    ///   ``UnitError`` (`jobFailed`, `timedOut`, `interrupted`).
    public func start(
        on bus: borrowing Bus, _ properties: UnitProperties, exec: [String], timeout: Duration = .seconds(90),
        interrupt: FileDescriptor? = nil
    ) throws {
        var list = properties.list
        // Holds the unit until it has been asked why it failed, whatever CollectMode says.
        if !bus.isPrivate { list.append(Property("AddRef", .bool(true))) }
        list.append(Property("ExecStart", .command(exec)))
        defer { release(on: bus) }
        try bus.runJob(unit: self, timeout: timeout, interrupt: interrupt) { bus throws(BusError) in
            try bus.startTransientUnit(name, list)
        }
    }

    /// Stops the unit and waits until it is down. Stopping what is absent succeeds.
    ///
    /// - Throws: As ``start(on:_:exec:timeout:interrupt:)``.
    public func stop(
        on bus: borrowing Bus, timeout: Duration = .seconds(90), interrupt: FileDescriptor? = nil
    ) throws {
        do {
            try bus.runJob(unit: self, timeout: timeout, interrupt: interrupt) { bus throws(BusError) in
                try bus.call(
                    .manager, "StopUnit", about: name,
                    { message throws(BusError) in
                        try message.append(name)
                        try message.append("replace")
                    },
                    { reply throws(BusError) in try reply.readPath() })
            }
        } catch let error as BusError {
            if error.name != .noSuchUnit { throw error }
        }
    }

    /// Sends a signal to processes of the unit.
    ///
    /// - Throws: ``BusError``: `noSuchUnit`; `noSuchProcess` if there is none to signal.
    public func kill(on bus: borrowing Bus, _ target: Target = .all, signal: Int32) throws(BusError) {
        try bus.call(.manager, "KillUnit", about: name) { message throws(BusError) in
            try message.append(name)
            try message.append(target.rawValue)
            try message.append(signal)
        }
    }

    /// Makes systemd forget that the unit failed. Does nothing if there is none.
    public func resetFailed(on bus: borrowing Bus) throws(BusError) {
        do {
            try bus.call(.manager, "ResetFailedUnit", about: name) { message throws(BusError) in
                try message.append(name)
            }
        } catch {
            if error.name != .noSuchUnit { throw error }
        }
    }

    /// Whether systemd has it in memory: active, failed, or referred to.
    public func exists(on bus: borrowing Bus) throws(BusError) -> Bool {
        do {
            _ = try path(on: bus)
            return true
        } catch {
            if error.name == .noSuchUnit { return false }
            throw error
        }
    }

    /// `active`, `activating`, `deactivating`, `inactive`, `failed`, `reloading`.
    ///
    /// - Throws: ``BusError``: `noSuchUnit`, as all that follow.
    public func activeState(on bus: borrowing Bus) throws(BusError) -> String {
        try bus.stringProperty("ActiveState", of: .unit(path(on: bus)))
    }

    /// `success`, `exit-code`, `signal`, `timeout`, `oom-kill`, `watchdog`, …
    public func result(on bus: borrowing Bus) throws(BusError) -> String {
        try bus.stringProperty("Result", of: .service(path(on: bus)))
    }

    /// Where its processes are, below the root of the host's cgroup tree; empty while it has none.
    public func controlGroup(on bus: borrowing Bus) throws(BusError) -> String {
        try bus.stringProperty("ControlGroup", of: .service(path(on: bus)))
    }

    /// Process id of its main process, 0 while it has none.
    public func mainProcess(on bus: borrowing Bus) throws(BusError) -> Int32 {
        Int32(clamping: try bus.numberProperty("MainPID", of: .service(path(on: bus)), "u"))
    }

    /// How its main process ended: the exit code, or the negated number of a signal; nil while it has not.
    func mainStatus(on bus: borrowing Bus) throws(BusError) -> Int32? {
        let service = Bus.Object.service(try path(on: bus))
        let code = try bus.numberProperty("ExecMainCode", of: service, "i")
        let status = Int32(clamping: try bus.numberProperty("ExecMainStatus", of: service, "i"))
        return code == 0 ? nil : code == 1 ? status : -status
    }

    private func path(on bus: borrowing Bus) throws(BusError) -> String {
        try bus.call(
            .manager, "GetUnit", about: name, { message throws(BusError) in try message.append(name) },
            { reply throws(BusError) in try reply.readPath() })
    }

    private func release(on bus: borrowing Bus) {
        // Only fails if there is no reference, or no connection that could hold one.
        if !bus.isPrivate {
            try? bus.call(.manager, "UnrefUnit", about: name) { message throws(BusError) in try message.append(name) }
        }
    }
}
