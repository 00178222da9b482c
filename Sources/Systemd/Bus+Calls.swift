internal import CSystemd
internal import Glibc
internal import LinuxSystem
internal import SystemPackage

extension BusError.Name {
    static let unknownObject = Self(rawValue: "org.freedesktop.DBus.Error.UnknownObject")
}

extension Bus {
    /// Something that has methods and properties: who, where and which interface.
    struct Object {
        let destination: String
        let path: String
        let interface: String

        static let manager = Object(
            destination: "org.freedesktop.systemd1", path: "/org/freedesktop/systemd1",
            interface: "org.freedesktop.systemd1.Manager")
        static let machineManager = Object(
            destination: "org.freedesktop.machine1", path: "/org/freedesktop/machine1",
            interface: "org.freedesktop.machine1.Manager")

        static func unit(_ path: String) -> Object {
            Object(destination: manager.destination, path: path, interface: "org.freedesktop.systemd1.Unit")
        }
        static func service(_ path: String) -> Object {
            Object(destination: manager.destination, path: path, interface: "org.freedesktop.systemd1.Service")
        }
        static func machine(_ path: String) -> Object {
            Object(
                destination: machineManager.destination, path: path, interface: "org.freedesktop.machine1.Machine")
        }
        /// The same place, seen as a set of properties.
        var properties: Object {
            Object(destination: destination, path: path, interface: "org.freedesktop.DBus.Properties")
        }
        var peer: Object { Object(destination: destination, path: path, interface: "org.freedesktop.DBus.Peer") }
    }

    /// Calls a method and waits for the answer, at most ``callTimeout`` or the shorter `limit`.
    ///
    /// - Parameter about: Which thing it is about; for the error only.
    borrowing func call<Result>(
        _ object: Object, _ method: String, about: String, limit: Duration? = nil,
        _ arguments: (borrowing Message) throws(BusError) -> Void,
        _ read: (borrowing Message) throws(BusError) -> Result
    ) throws(BusError) -> Result {
        let operation = "\(method)(\(about))"
        let message = try newCall(object, method, operation)
        try arguments(message)
        var error = sd_bus_error()
        defer { sd_bus_error_free(&error) }
        var reply: OpaquePointer?
        // 0 would mean the default of the connection.
        let microseconds = max(1, min(limit ?? callTimeout, callTimeout).microseconds)
        let result = sd_bus_call(pointer, message.pointer, microseconds, &error, &reply)
        guard result >= 0, let reply else {
            if error.name == nil { throw BusError(operation, result: min(result, -1)) }
            throw BusError(operation, result: min(result, -1), error)
        }
        return try read(Message(owning: reply, operation))
    }

    borrowing func call(
        _ object: Object, _ method: String, about: String, limit: Duration? = nil,
        _ arguments: (borrowing Message) throws(BusError) -> Void
    ) throws(BusError) {
        try call(object, method, about: about, limit: limit, arguments) { _ in }
    }

    /// Sends a call without waiting; answers the number that the reply will carry.
    borrowing func send(
        _ object: Object, _ method: String, about: String,
        _ arguments: (borrowing Message) throws(BusError) -> Void
    ) throws(BusError) -> UInt64 {
        let operation = "\(method)(\(about))"
        let message = try newCall(object, method, operation)
        try arguments(message)
        var cookie: UInt64 = 0
        try answer(operation, sd_bus_send(pointer, message.pointer, &cookie))
        return cookie
    }

    private borrowing func newCall(
        _ object: Object, _ method: String, _ operation: String
    ) throws(BusError) -> Message {
        var raw: OpaquePointer?
        let result = sd_bus_message_new_method_call(
            pointer, &raw, object.destination, object.path, object.interface, method)
        guard result >= 0, let raw else { throw BusError(operation, result: min(result, -1)) }
        return Message(owning: raw, operation)
    }

    // MARK: Properties

    borrowing func stringProperty(_ name: String, of object: Object) throws(BusError) -> String {
        try property(name, of: object, "s") { value throws(BusError) in try value.readString() }
    }

    /// A property of type `u` or `i`.
    borrowing func numberProperty(
        _ name: String, of object: Object, _ type: Unicode.Scalar
    ) throws(BusError) -> Int64 {
        try property(name, of: object, "\(type)") { value throws(BusError) in try value.readNumber(type) }
    }

    private borrowing func property<Result>(
        _ name: String, of object: Object, _ type: String, _ read: (borrowing Message) throws(BusError) -> Result
    ) throws(BusError) -> Result {
        try call(
            object.properties, "Get", about: "\(object.path) \(name)",
            { message throws(BusError) in
                try message.append(object.interface)
                try message.append(name)
            },
            { reply throws(BusError) in
                try reply.enter("v", type)
                return try read(reply)
            })
    }

    // MARK: Jobs

    /// Asks for a transient unit; answers the path of its start job. A name in use is an error.
    borrowing func startTransientUnit(
        _ unit: String, _ properties: [Property], limit: Duration? = nil
    ) throws(BusError) -> String {
        try call(
            .manager, "StartTransientUnit", about: unit, limit: limit,
            { message throws(BusError) in
                try message.append(unit)
                try message.append("fail")
                try message.container("a", "(sv)") { () throws(BusError) in
                    for property in properties { try message.append(property) }
                }
                try message.container("a", "(sa(sv))") { () throws(BusError) in }
            },
            { reply throws(BusError) in try reply.readPath() })
    }

    /// Starts a job by `request` and waits for its end.
    ///
    /// - Throws: ``UnitError`` unless the job ended as `done`; ``BusError``.
    borrowing func runJob(
        unit: TransientUnit, timeout: Duration, interrupt: FileDescriptor?,
        _ request: (borrowing Bus) throws(BusError) -> String
    ) throws {
        let deadline = Deadline(after: timeout)
        // Before the request: the end of a job that nobody listens for is never told again.
        let subscription = try subscribeToJobs()
        defer { subscription.end() }
        let job = try request(self)
        while true {
            if let result = try nextJobResult(job) {
                if result == "done" { return }
                throw UnitError.jobFailed(
                    unit: unit.name, job: result, result: try? unit.result(on: self),
                    status: (try? unit.mainStatus(on: self)) ?? nil)
            }
            if deadline.hasPassed { throw UnitError.timedOut(unit: unit.name, after: timeout) }
            do {
                if try wait("wait(\(unit.name))", deadline, interrupt: interrupt) == .interrupt {
                    throw UnitError.interrupted(unit: unit.name)
                }
            } catch let error as BusError {
                if error.name != .timedOut { throw error }
                throw UnitError.timedOut(unit: unit.name, after: timeout)
            }
        }
    }

    /// Takes what has come in; answers the result of `job` if its end is among it, nil if nothing is left to take.
    private borrowing func nextJobResult(_ job: String) throws(BusError) -> String? {
        while true {
            guard let event = try nextMessage() else { return nil }
            if case .jobRemoved(job, let result) = try event.meaning() { return result }
        }
    }

    /// The next message that is no reply to a blocking call; nil when there is nothing more for now.
    ///
    /// - Throws: ``BusError`` `disconnected` when the other side is gone.
    borrowing func nextMessage() throws(BusError) -> Message? {
        while true {
            var raw: OpaquePointer?
            if try answer("receive", sd_bus_process(pointer, &raw)) == 0 { return nil }
            // Without a message it has done other work, such as sending.
            if let raw { return Message(owning: raw, "receive") }
        }
    }

    /// Signals about jobs come as long as this lasts.
    struct JobSubscription {
        fileprivate let slot: OpaquePointer?
        func end() { sd_bus_slot_unref(slot) }
    }

    private borrowing func subscribeToJobs() throws(BusError) -> JobSubscription {
        if isPrivate { return JobSubscription(slot: nil) }
        do {
            try call(.manager, "Subscribe", about: "") { _ in }
        } catch {
            if error.name != .alreadySubscribed { throw error }
        }
        let manager = Object.manager
        var slot: OpaquePointer?
        try answer(
            "AddMatch(JobRemoved)",
            sd_bus_match_signal(
                pointer, &slot, manager.destination, manager.path, manager.interface, "JobRemoved", nil, nil))
        return JobSubscription(slot: slot)
    }
}
