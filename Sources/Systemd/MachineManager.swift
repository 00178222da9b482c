/// systemd-machined: which machines are registered on this host.
public enum MachineManager {
    /// A machine as machined knows it.
    public struct Machine: Hashable, Sendable {
        public let name: String
        /// The machine's first process, in the numbers of the host.
        public let leader: Int32
        /// The unit on the host that the machine runs in.
        public let unit: String
        public let rootDirectory: String
    }

    /// The machine of this name, or nil if none is registered.
    ///
    /// - Throws: ``BusError``: `serviceUnknown` where there is no machined.
    public static func machine(_ name: String, on bus: borrowing Bus) throws(BusError) -> Machine? {
        do {
            let path = try bus.call(
                .machineManager, "GetMachine", about: name, { message throws(BusError) in try message.append(name) },
                { reply throws(BusError) in try reply.readPath() })
            let machine = Bus.Object.machine(path)
            return Machine(
                name: name, leader: Int32(clamping: try bus.numberProperty("Leader", of: machine, "u")),
                unit: try bus.stringProperty("Unit", of: machine),
                rootDirectory: try bus.stringProperty("RootDirectory", of: machine))
        } catch {
            // It may also end between the calls.
            if error.name == .noSuchMachine || error.name == .unknownObject { return nil }
            throw error
        }
    }

    /// Names of all containers and virtual machines, the host itself (`.host`) left out, sorted.
    public static func names(on bus: borrowing Bus) throws(BusError) -> [String] {
        try bus.call(
            .machineManager, "ListMachines", about: "", { _ in },
            { reply throws(BusError) in
                var names: [String] = []
                try reply.enter("a", "(ssso)")
                while try reply.enter("r", "ssso") {
                    let name = try reply.readString()
                    try reply.skip("sso")
                    try reply.exit()
                    if name != ".host" { names.append(name) }
                }
                return names.sorted()
            })
    }
}
