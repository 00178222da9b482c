internal import CSystemd
internal import Glibc

/// One D-Bus message, being written or read from its start.
struct Message: ~Copyable {
    let pointer: OpaquePointer
    /// For errors.
    let operation: String

    init(owning pointer: OpaquePointer, _ operation: String) {
        self.pointer = pointer
        self.operation = operation
    }

    deinit { sd_bus_message_unref(pointer) }

    // MARK: Writing

    borrowing func append(_ string: String) throws(BusError) {
        // A NUL would cut it short, which is another value than the one that was asked for.
        guard !string.utf8.contains(0) else { throw BusError(operation, result: -EINVAL) }
        try answer(operation, string.withCString { sd_bus_message_append_basic(pointer, type("s"), $0) })
    }

    borrowing func append(_ number: Int32) throws(BusError) { try append("i", number) }

    private borrowing func append<Value: BitwiseCopyable>(
        _ type: Unicode.Scalar, _ value: Value
    ) throws(BusError) {
        try answer(
            operation, withUnsafePointer(to: value) { sd_bus_message_append_basic(pointer, self.type(type), $0) })
    }

    borrowing func container(
        _ kind: Unicode.Scalar, _ contents: String, _ body: () throws(BusError) -> Void
    ) throws(BusError) {
        try answer(operation, sd_bus_message_open_container(pointer, type(kind), contents))
        try body()
        try answer(operation, sd_bus_message_close_container(pointer))
    }

    /// An element of `a(sv)`.
    borrowing func append(_ property: Property) throws(BusError) {
        try container("r", "sv") { () throws(BusError) in
            try append(property.name)
            try container("v", property.value.signature) { () throws(BusError) in try append(property.value) }
        }
    }

    private borrowing func append(_ value: PropertyValue) throws(BusError) {
        switch value {
        case .string(let string): try append(string)
        case .bool(let flag): try append("b", CInt(flag ? 1 : 0))
        case .uint32(let number): try append("u", number)
        case .uint64(let number): try append("t", number)
        case .handle(let descriptor): try append("h", descriptor)
        case .strings(let strings): try append(strings)
        case .command(let arguments):
            try container("a", "(sasb)") { () throws(BusError) in
                try container("r", "sasb") { () throws(BusError) in
                    try append(arguments.first ?? "")
                    try append(arguments.map(Self.unexpanded))
                    try append("b", CInt(0))
                }
            }
        case .devices(let devices):
            try container("a", "(ss)") { () throws(BusError) in
                for device in devices {
                    try container("r", "ss") { () throws(BusError) in
                        try append(device.node)
                        try append(device.permissions)
                    }
                }
            }
        case .exitStatus(let codes, let signals):
            try container("r", "aiai") { () throws(BusError) in
                try append(codes)
                try append(signals)
            }
        }
    }

    /// An argument that systemd does not expand: it replaces `$X`, and `$$` by `$`.
    ///
    /// The way to switch that off is `ExecStartEx` with the flag `no-env-expand`, but systemd 252 writes that name into
    /// the transient unit's file, which does not know it: at the next daemon-reload the service had no `ExecStart`
    /// left, was `bad-setting`, and an `ExecStopPostEx` never ran.
    private static func unexpanded(_ argument: String) -> String {
        argument.split(separator: "$", omittingEmptySubsequences: false).joined(separator: "$$")
    }

    private borrowing func append(_ strings: [String]) throws(BusError) {
        try container("a", "s") { () throws(BusError) in for string in strings { try append(string) } }
    }

    private borrowing func append(_ numbers: [Int32]) throws(BusError) {
        try container("a", "i") { () throws(BusError) in for number in numbers { try append(number) } }
    }

    // MARK: Reading

    borrowing func readString() throws(BusError) -> String { try readString("s") }
    borrowing func readPath() throws(BusError) -> String { try readString("o") }

    private borrowing func readString(_ type: Unicode.Scalar) throws(BusError) -> String {
        var text: UnsafePointer<CChar>?
        try answer(operation, sd_bus_message_read_basic(pointer, self.type(type), &text))
        guard let text else { throw BusError(operation, result: -EBADMSG) }
        return String(cString: text)
    }

    /// Of type `u` or `i`.
    borrowing func readNumber(_ type: Unicode.Scalar) throws(BusError) -> Int64 {
        var bits: UInt32 = 0
        try answer(operation, sd_bus_message_read_basic(pointer, self.type(type), &bits))
        return type == "u" ? Int64(bits) : Int64(Int32(bitPattern: bits))
    }

    /// - Returns: false at the end of the enclosing array.
    @discardableResult
    borrowing func enter(_ kind: Unicode.Scalar, _ contents: String) throws(BusError) -> Bool {
        try answer(operation, sd_bus_message_enter_container(pointer, type(kind), contents)) > 0
    }
    borrowing func exit() throws(BusError) { try answer(operation, sd_bus_message_exit_container(pointer)) }
    borrowing func skip(_ types: String) throws(BusError) {
        try answer(operation, sd_bus_message_skip(pointer, types))
    }

    // MARK: Meaning

    /// What a message that nobody waited for is.
    enum Meaning {
        case jobRemoved(path: String, result: String)
        case propertiesChanged(path: String)
        /// The answer to a ``Bus/send(_:_:about:_:)``, to be read further, unless it is an error.
        case reply(cookie: UInt64, error: BusError?)
        case other
    }

    borrowing func meaning() throws(BusError) -> Meaning {
        let manager = Bus.Object.manager.interface
        if try answer(operation, csystemd_is_reply(pointer)) > 0 {
            var cookie: UInt64 = 0
            try answer(operation, sd_bus_message_get_reply_cookie(pointer, &cookie))
            guard let error = sd_bus_message_get_error(pointer) else { return .reply(cookie: cookie, error: nil) }
            let number = sd_bus_error_get_errno(error)
            return .reply(cookie: cookie, error: BusError(operation, result: -max(number, 1), error.pointee))
        }
        if try answer(operation, sd_bus_message_is_signal(pointer, manager, "JobRemoved")) > 0 {
            try skip("u")
            let path = try readPath()
            try skip("s")
            return .jobRemoved(path: path, result: try readString())
        }
        let properties = "org.freedesktop.DBus.Properties"
        if try answer(operation, sd_bus_message_is_signal(pointer, properties, "PropertiesChanged")) > 0 {
            guard let path = sd_bus_message_get_path(pointer) else { return .other }
            return .propertiesChanged(path: String(cString: path))
        }
        return .other
    }

    private borrowing func type(_ scalar: Unicode.Scalar) -> CChar { CChar(truncatingIfNeeded: scalar.value) }
}

extension PropertyValue {
    var signature: String {
        switch self {
        case .string: "s"
        case .bool: "b"
        case .uint32: "u"
        case .uint64: "t"
        case .handle: "h"
        case .strings: "as"
        case .command: "a(sasb)"
        case .devices: "a(ss)"
        case .exitStatus: "(aiai)"
        }
    }
}
