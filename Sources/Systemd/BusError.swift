internal import CSystemd
internal import LinuxSystem
public import SystemPackage

/// A call over the bus that failed: what was asked, and what the other side or the connection answered.
///
/// It reads `StartTransientUnit(run-1.service): Unit run-1.service already exists (org.freedesktop.systemd1.UnitExists)`.
public struct BusError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The D-Bus name of an error; decide by this, never by the message.
    public struct Name: RawRepresentable, Hashable, Sendable {
        public let rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }

        public static let noSuchUnit = Self(rawValue: "org.freedesktop.systemd1.NoSuchUnit")
        public static let unitExists = Self(rawValue: "org.freedesktop.systemd1.UnitExists")
        public static let alreadySubscribed = Self(rawValue: "org.freedesktop.systemd1.AlreadySubscribed")
        public static let notReferenced = Self(rawValue: "org.freedesktop.systemd1.NotReferenced")
        /// KillUnit found no process to signal.
        public static let noSuchProcess = Self(rawValue: "org.freedesktop.systemd1.NoSuchProcess")
        public static let shuttingDown = Self(rawValue: "org.freedesktop.systemd1.ShuttingDown")
        /// The job conflicts with another that must not be replaced, such as that of a shutdown.
        public static let transactionIsDestructive = Self(
            rawValue: "org.freedesktop.systemd1.TransactionIsDestructive")
        public static let noSuchMachine = Self(rawValue: "org.freedesktop.machine1.NoSuchMachine")
        public static let accessDenied = Self(rawValue: "org.freedesktop.DBus.Error.AccessDenied")
        public static let invalidArguments = Self(rawValue: "org.freedesktop.DBus.Error.InvalidArgs")
        /// The property is not known to this version of systemd, or cannot be set on a transient unit.
        public static let propertyReadOnly = Self(rawValue: "org.freedesktop.DBus.Error.PropertyReadOnly")
        /// Nobody has this name on the bus, and it could not be started.
        public static let serviceUnknown = Self(rawValue: "org.freedesktop.DBus.Error.ServiceUnknown")
        /// No answer before the deadline: the other side is frozen, or overloaded.
        public static let timedOut = Self(rawValue: "org.freedesktop.DBus.Error.Timeout")
        /// The connection is lost: the other side ended.
        public static let disconnected = Self(rawValue: "org.freedesktop.DBus.Error.Disconnected")
    }

    public let name: Name
    /// In the words of the other side; on one line when printed.
    public let message: String
    /// What was asked: the method and its object, never its contents.
    public let operation: String
    public let errno: Errno

    public init(_ operation: String, name: Name, message: String, errno: Errno) {
        self.operation = operation
        self.name = name
        self.message = message
        self.errno = errno
    }

    public var description: String { "\(printable(operation)): \(printable(message)) (\(printable(name.rawValue)))" }

    /// The answer `-errno` of a call of libsystemd.
    init(_ operation: String, result: CInt) {
        var raw = sd_bus_error()
        // A connection that ended is reported by several numbers; callers want one name.
        let isLost = [ENOTCONN, ECONNRESET, EPIPE, ESHUTDOWN].contains(-result)
        sd_bus_error_set_errno(&raw, isLost ? -ECONNRESET : result)
        self.init(operation, result: result, raw)
        sd_bus_error_free(&raw)
    }

    /// The answer of a call together with the error that it filled in.
    init(_ operation: String, result: CInt, _ raw: sd_bus_error) {
        let errno = Errno(rawValue: -result)
        self.init(
            operation, name: Name(rawValue: raw.name.map { String(cString: $0) } ?? "System.Error.\(-result)"),
            message: raw.message.map { String(cString: $0) } ?? "\(errno)", errno: errno)
    }
}

/// A unit that did not do what was asked of it, although the bus worked.
public enum UnitError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The start or stop job ended, but not well. `job` is systemd's word (`failed`, `canceled`, `timeout`,
    /// `dependency`), `result` the unit's (`exit-code`, `signal`, `timeout`, `resources`, …) if it could still be asked,
    /// `status` the exit code of the main process, or the negated number of the signal that ended it.
    case jobFailed(unit: String, job: String, result: String?, status: Int32?)
    /// The job has not ended in time; it goes on, and the unit is to be stopped.
    case timedOut(unit: String, after: Duration)
    /// The other descriptor became readable while waiting; the job goes on, and the unit is to be stopped.
    case interrupted(unit: String)
    /// Somebody stopped the unit before its program had ended by itself.
    case stopped(unit: String)
    /// The machine is shutting down, so that the end of the program says nothing about it.
    case machineStopping(unit: String)

    public var description: String {
        switch self {
        case .jobFailed(let unit, let job, let result, let status):
            let reason = [
                result.map { "result \(printable($0))" },
                status.map { $0 < 0 ? "signal \(-$0)" : "status \($0)" },
            ].compactMap { $0 }.joined(separator: ", ")
            return "unit \(printable(unit)): job \(printable(job))\(reason.isEmpty ? "" : " (\(reason))")"
        case .timedOut(let unit, let after): return "unit \(printable(unit)): not done after \(after)"
        case .interrupted(let unit): return "unit \(printable(unit)): interrupted while waiting"
        case .stopped(let unit): return "unit \(printable(unit)) was stopped from outside"
        case .machineStopping(let unit): return "unit \(printable(unit)): its machine is shutting down"
        }
    }
}
