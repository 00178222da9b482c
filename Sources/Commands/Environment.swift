import LinuxSystem
import Logging
import Machines
import Roots
import SystemPackage

/// What a verb works with: the host's store and machines, as the settings say.
struct HostEnvironment {
    let settings: Settings
    let logger: Logger
    let store: Store
    let machines: MachineHost

    /// - Parameter create: Whether a store that is missing is made.
    /// - Throws: ``MachineError/notRoot`` and what opening the store throws.
    init(_ settings: Settings, logger: Logger, create: Bool = false) throws {
        guard CurrentProcess.user == 0 else { throw MachineError.notRoot }
        self.settings = settings
        self.logger = logger
        store = try Store(settings.store, create: create)
        machines = MachineHost(store: store, executable: try Self.executable(), logger: logger)
    }

    var engine: Engine { settings.engine ?? .ofThisHost }

    /// This program, by a path that others can start it by.
    static func executable() throws -> FilePath { try Directory("/proc/self").linkTarget("exe") }
}
