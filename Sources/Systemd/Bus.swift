internal import CLinux
internal import CSystemd
internal import Glibc
internal import LinuxSystem
public import SystemPackage

/// A connection to systemd: the host's over its system bus, or a machine's own over its private socket.
///
/// Nothing here waits for ever: connecting, authenticating and every call end at the latest when ``callTimeout`` has
/// passed, also when the other side is frozen. Not to be used from two threads at once, nor after a fork.
public struct Bus: ~Copyable {
    let pointer: OpaquePointer
    /// Over systemd's private socket every signal comes by itself, and there are neither names nor references.
    var isPrivate: Bool { machine != nil }
    private let machine: Machine?
    /// How long a call may take.
    public let callTimeout: Duration

    /// A machine's first process: its number, and a pidfd that tells whether it is still that process.
    private struct Machine {
        let leader: Int32
        let process: FileDescriptor

        var hasEnded: Bool {
            var item = [clinux_poll(descriptor: process.rawValue, events: Int16(POLLIN), ready: 0)]
            return clinux_poll(&item, 1, 0) > 0
        }
    }

    /// Takes over the pidfd too.
    private init(owning pointer: OpaquePointer, machine: Machine?, callTimeout: Duration) {
        self.pointer = pointer
        self.machine = machine
        self.callTimeout = callTimeout
    }

    // Closing does not flush: that would wait for a frozen peer without a limit. No call leaves anything unsent.
    deinit {
        sd_bus_close_unref(pointer)
        try? machine?.process.close()
    }

    /// Connects to the host's system bus, where systemd and machined are.
    ///
    /// - Throws: ``BusError``: `ENOENT` where no bus runs; `timedOut`.
    public static func system(timeout: Duration = .seconds(25)) throws(BusError) -> Bus {
        let deadline = Deadline(after: timeout)
        var pointer: OpaquePointer?
        let result = sd_bus_open_system(&pointer)
        guard result >= 0, let pointer else { throw BusError("connect(system bus)", result: min(result, -1)) }
        let bus = Bus(owning: pointer, machine: nil, callTimeout: timeout)
        try bus.complete("connect(system bus)", deadline)
        return bus
    }

    /// Connects to the systemd that is a machine's first process, over `/run/systemd/private` inside, which needs no
    /// D-Bus daemon there. Takes about 2 ms.
    ///
    /// The peer must be the machine's own root, so a short-lived child enters the user, mount and process namespaces of
    /// `leader`, connects, and hands the descriptor out.
    ///
    /// - Parameter leader: The machine's first process, in the numbers of the host. The caller makes sure that it is
    ///   still that process.
    /// - Throws: ``BusError``: `ESRCH` when the leader is gone, `ENOENT` or `ECONNREFUSED` when no systemd listens
    ///   inside, `timedOut` when it is frozen.
    public static func machine(leader: Int32, timeout: Duration = .seconds(5)) throws(BusError) -> Bus {
        try machine(leader: leader, Deadline(after: timeout), callTimeout: timeout)
    }

    private static func machine(leader: Int32, _ deadline: Deadline, callTimeout: Duration) throws(BusError) -> Bus {
        let operation = "connect(machine of process \(leader))"
        let process = clinux_pidfd_open(leader)
        guard process >= 0 else { throw BusError(operation, result: process) }
        var pointer: OpaquePointer?
        let result = sd_bus_new(&pointer)
        guard result >= 0, let pointer else {
            try? FileDescriptor(rawValue: process).close()
            throw BusError(operation, result: min(result, -1))
        }
        // From here on it owns both.
        let bus = Bus(
            owning: pointer, machine: Machine(leader: leader, process: FileDescriptor(rawValue: process)),
            callTimeout: callTimeout)
        let descriptor = clinux_connect_inside(leader, "/run/systemd/private", deadline.remaining.pollMilliseconds)
        guard descriptor >= 0 else { throw BusError(operation, result: descriptor) }
        let isSet = sd_bus_set_fd(pointer, descriptor, descriptor)
        if isSet < 0 {
            try? FileDescriptor(rawValue: descriptor).close()
            throw BusError(operation, result: isSet)
        }
        try answer(operation, sd_bus_set_bus_client(pointer, 0))
        try answer(operation, sd_bus_negotiate_fds(pointer, 1))
        try answer(operation, sd_bus_start(pointer))
        try bus.complete(operation, deadline)
        return bus
    }

    /// Whether ``reconnected(after:)`` makes sense.
    var isReconnectable: Bool { isPrivate }

    /// A new connection to the same machine, whose systemd has dropped this one, as it does when it executes itself anew.
    ///
    /// - Throws: ``BusError``: `lost` when the machine's first process has ended or does not listen again in time.
    borrowing func reconnected(after lost: BusError) throws(BusError) -> Bus {
        let deadline = Deadline(after: callTimeout)
        guard let machine else { throw lost }
        while !machine.hasEnded && !deadline.hasPassed {
            do {
                let bus = try Bus.machine(leader: machine.leader, deadline, callTimeout: callTimeout)
                // Had it ended meanwhile, its number might have been another process's.
                if machine.hasEnded { break }
                return bus
            } catch {
                // It closes its socket and makes a new one; nothing tells when.
                Deadline.pause(.milliseconds(5))
            }
        }
        throw lost
    }

    /// Authenticates. libsystemd would do it within the first call, but with a limit of its own of 90 seconds.
    private borrowing func complete(_ operation: String, _ deadline: Deadline) throws(BusError) {
        try answer(operation, sd_bus_set_method_call_timeout(pointer, callTimeout.microseconds))
        while try answer(operation, sd_bus_is_ready(pointer)) == 0 {
            if try answer(operation, sd_bus_process(pointer, nil)) > 0 { continue }
            try wait(operation, deadline)
        }
    }

    // MARK: Waiting

    /// What to poll for ``events``. It belongs to the connection.
    public var descriptor: FileDescriptor { FileDescriptor(rawValue: sd_bus_get_fd(pointer)) }

    /// `POLLIN` and `POLLOUT`, as poll(2) wants them. Ask anew before every poll.
    public var events: Int16 {
        let events = sd_bus_get_events(pointer)
        // A lost connection has no events: then poll must return at once, so that the next call tells.
        return events < 0 ? Int16(POLLIN | POLLOUT) : Int16(truncatingIfNeeded: events)
    }

    /// How long a poll may last, or nil if only a descriptor needs to end it. Ask anew before every poll.
    public var timeout: Duration? {
        var until: UInt64 = 0
        guard sd_bus_get_timeout(pointer, &until) >= 0 else { return .zero }
        if until == UInt64.max { return nil }
        let now = clinux_monotonic_nanoseconds() / 1000
        return .microseconds(Int64(clamping: until > now ? until - now : 0))
    }

    /// Why ``wait(_:_:interrupt:)`` returned without an error.
    enum Wake { case bus, interrupt }

    /// Waits until the connection wants attention, or `interrupt` is readable.
    ///
    /// - Throws: ``BusError`` `timedOut` when the deadline has passed.
    @discardableResult
    borrowing func wait(
        _ operation: String, _ deadline: Deadline, interrupt: FileDescriptor? = nil
    ) throws(BusError) -> Wake {
        if deadline.hasPassed { throw BusError(operation, result: -ETIMEDOUT) }
        var items = [
            clinux_poll(descriptor: descriptor.rawValue, events: events, ready: 0),
            clinux_poll(descriptor: interrupt?.rawValue ?? -1, events: Int16(POLLIN), ready: 0),
        ]
        let limit = timeout.map { min($0, deadline.remaining) } ?? deadline.remaining
        let result = clinux_poll(&items, UInt32(items.count), limit.pollMilliseconds)
        if result < 0 && result != -EINTR { throw BusError(operation, result: result) }
        return result > 0 && items[1].ready != 0 ? .interrupt : .bus
    }
}

extension Duration {
    /// As systemd counts; a value that is too large means for ever.
    var microseconds: UInt64 { clampedNanoseconds / 1000 }
}

/// Turns the answer of libsystemd, a value or `-errno`, into a value or an error.
@discardableResult
func answer(_ operation: @autoclosure () -> String, _ result: CInt) throws(BusError) -> CInt {
    if result < 0 { throw BusError(operation(), result: result) }
    return result
}
