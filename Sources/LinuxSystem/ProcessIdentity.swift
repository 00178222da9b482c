internal import CLinux
public import SystemPackage

/// One process for good: a number and when it started, so that a number used again is not taken for it.
public struct ProcessIdentity: Hashable, Sendable {
    public let pid: Int32
    /// Clock ticks since boot (field 22 of /proc/PID/stat, proc(5)).
    public let startTime: UInt64

    public init(pid: Int32, startTime: UInt64) {
        self.pid = pid
        self.startTime = startTime
    }

    /// The process that has this number now.
    ///
    /// - Throws: ``SystemError``: `ESRCH` if there is none.
    public init(of pid: Int32) throws(SystemError) {
        guard let startTime = Self.startTime(of: pid) else {
            throw SystemError("open", ["/proc/\(pid)/stat"], errno: .noSuchProcess)
        }
        self.init(pid: pid, startTime: startTime)
    }

    /// Whether that process exists; a zombie does not count.
    public var isAlive: Bool { Self.startTime(of: pid) == startTime }

    /// Parses /proc/PID/stat; nil when there is no such process or it has ended and only waits to be reaped.
    private static func startTime(of pid: Int32) -> UInt64? {
        guard let process = try? Directory(FilePath("/proc/\(pid)")),
            let bytes = try? process.contents("stat", limit: 4096, .init()),
            // The name in parentheses may hold anything, so fields are counted after the last one.
            let end = bytes.lastIndex(of: UInt8(ascii: ")"))
        else { return nil }
        let fields = bytes[(end + 1)...].split(separator: UInt8(ascii: " "))
        guard fields.count > 19, let state = fields.first?.first,
            state != UInt8(ascii: "Z"), state != UInt8(ascii: "X")
        else { return nil }
        return UInt64(String(decoding: fields[19], as: UTF8.self))
    }
}

/// A process that is held by a descriptor: what is signalled is what was opened. The corresponding system calls are
/// `pidfd_open` (Linux 5.3) and `pidfd_send_signal`.
public struct ProcessHandle: ~Copyable, Sendable {
    private let owned: OwnedFileDescriptor
    public let identity: ProcessIdentity

    /// Becomes readable when the process ends.
    public var descriptor: FileDescriptor { owned.descriptor }

    /// - Throws: ``SystemError``: `ESRCH` if that process has ended.
    public init(_ identity: ProcessIdentity) throws(SystemError) {
        let descriptor = try check("pidfd_open", ["\(identity.pid)"]) { clinux_pidfd_open(identity.pid) }
        let owned = OwnedFileDescriptor(owning: descriptor)
        // Only now is it certain that the descriptor is of the process that was meant.
        guard identity.isAlive else { throw SystemError("pidfd_open", ["\(identity.pid)"], errno: .noSuchProcess) }
        self.owned = owned
        self.identity = identity
    }

    /// Sends `signal`; a process that has ended is none to complain about.
    public func send(_ signal: Signal) throws(SystemError) {
        do {
            try check("pidfd_send_signal", ["\(identity.pid)", "\(signal)"]) {
                clinux_pidfd_send_signal(owned.rawValue, signal.rawValue)
            }
        } catch {
            if error.errno != .noSuchProcess { throw error }
        }
    }

    /// Waits until the process has ended.
    ///
    /// - Returns: false if it still lives after `timeout`.
    public func waitForEnd(timeout: Duration) throws(SystemError) -> Bool {
        try Poll.wait(for: [.init(descriptor, .readable)], timeout: timeout).isEmpty == false
    }
}
