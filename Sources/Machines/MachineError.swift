public import LinuxSystem
public import SystemPackage

/// What a caller asked of a machine and cannot have.
public enum MachineError: Error, CustomStringConvertible, Sendable {
    /// The commands need root: mounts, user namespaces, other users' processes.
    case notRoot
    case nspawnMissing
    case engineUnavailable(Engine, String)
    /// A machine of this name runs or is being prepared.
    case exists(String)
    /// There is no machine of this name, or what was left of it has ended.
    case gone(String, String)
    /// Somebody else works on this machine and did not finish in time.
    case busy(String)
    /// It was started and did not become ready.
    case notReady(String, reason: String, console: [String])
    /// The caller was told to stop.
    case interrupted(Signal)
    case unreadableRecord(FilePath, String)
    case noUserRange
    case notAnInit(String)
    /// The shell that scripts are given to is not in the image.
    case noShell(String, String)
    /// Processes, mounts or files are still there.
    case notEnded(String, String)

    public var description: String {
        switch self {
        case .notRoot:
            "nspawn-runner needs root; run it as root, for example by sudo"
        case .nspawnMissing:
            "systemd-nspawn is not installed; apt-get install systemd-container"
        case .engineUnavailable(let engine, let reason):
            "engine \(engine.rawValue) is not available: \(reason)"
        case .exists(let name):
            "machine \(name) exists; end it with nspawn-runner cleanup, or use another --id"
        case .gone(let name, let reason):
            "machine \(name) went away: \(printable(reason))"
        case .busy(let name):
            "machine \(name) is in use by another nspawn-runner; try again when that has ended"
        case .notReady(let name, let reason, let console):
            "machine \(name) did not start: \(printable(reason))"
                + console.map { "\n  \(printable($0))" }.joined()
        case .interrupted(let signal):
            "stopped by \(signal)"
        case .unreadableRecord(let path, let reason):
            "record \(printable(path.string)) cannot be used: \(printable(reason))"
        case .noUserRange:
            "no free range of user ids is left between 524288 and 1879048191; end machines that are not needed"
        case .notAnInit(let image):
            "image \(image) has no init (/sbin/init or /lib/systemd/systemd); install systemd and dbus in it"
        case .noShell(let image, let shell):
            "image \(image) cannot run \(printable(shell)); install it there, or name another with --shell"
        case .notEnded(let name, let what):
            "machine \(name) is not gone: \(printable(what))"
        }
    }
}
