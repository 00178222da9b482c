internal import CLinux
public import SystemPackage

/// Where a started program says that it is ready (sd_notify(3)): an abstract datagram socket that tells who sent.
///
/// Anybody may send to an abstract socket, so a message counts only from the process that is expected.
public struct NotificationSocket: ~Copyable, Sendable {
    private let owned: OwnedFileDescriptor
    /// What the program needs as its `NOTIFY_SOCKET`.
    public let address: String

    /// Becomes readable when a message has come.
    public var descriptor: FileDescriptor { owned.descriptor }

    /// Binds a socket of a random name.
    public init() throws(SystemError) {
        let name = "nspawn-runner/\(try RandomBytes.hex(bytes: 16))"
        let descriptor = try check("bind", ["@\(name)"]) { clinux_notification_socket(name) }
        owned = OwnedFileDescriptor(owning: descriptor)
        address = "@\(name)"
    }

    public struct Message: Sendable {
        public let pid: Int32
        public let user: UInt32
        /// `KEY=value` lines.
        public let text: String

        /// The value of the line `key`, if it has one.
        public func value(_ key: String) -> String? {
            let prefix = key + "="
            return text.split(separator: "\n").first { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
        }
    }

    /// The next message that came, if any; does not wait.
    public func next() throws(SystemError) -> Message? {
        var buffer = [CChar](repeating: 0, count: 4096)
        var pid: Int32 = 0
        var user: UInt32 = 0
        do {
            let count = try check("recvmsg", [address]) {
                clinux_receive_notification(owned.rawValue, &buffer, buffer.count, &pid, &user)
            }
            let text = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
            return Message(pid: pid, user: user, text: text)
        } catch {
            if error.errno == .resourceTemporarilyUnavailable { return nil }
            throw error
        }
    }
}

/// Bytes of getrandom(2).
public enum RandomBytes {
    public static func hex(bytes count: Int) throws(SystemError) -> String {
        var bytes = [UInt8](repeating: 0, count: count)
        try check("getrandom", ["\(count)"]) { clinux_random(&bytes, count) }
        return bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
