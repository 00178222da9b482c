internal import CLinux
internal import Glibc
public import SystemPackage

/// How a process ended.
public enum ProcessEnd: Hashable, Sendable, CustomStringConvertible {
    case exited(Int32)
    case signalled(Signal)

    public var description: String {
        switch self {
        case .exited(let code): "exit code \(code)"
        case .signalled(let signal): "\(signal)"
        }
    }
}

/// A program as a child process.
public struct ChildProcess: ~Copyable, Sendable {
    public let pid: Int32

    /// What a child has as its standard input, output and error.
    public struct Standard: Sendable {
        public var input: FileDescriptor
        public var output: FileDescriptor
        public var error: FileDescriptor

        public init(
            input: FileDescriptor = .standardInput, output: FileDescriptor = .standardOutput,
            error: FileDescriptor = .standardError
        ) {
            self.input = input
            self.output = output
            self.error = error
        }
    }

    /// Starts `executable` with no other descriptors than `standard`, no blocked signals and all of them at their default.
    ///
    /// The corresponding function is `posix_spawn`.
    ///
    /// - Parameters:
    ///   - arguments: Without the name of the program, which is put first.
    ///   - newSession: In a session of its own: no terminal, and no signal for the caller's group reaches it.
    /// - Throws: ``SystemError``: `ENOENT`, `EACCES`, `E2BIG`, `EAGAIN` at the limit of processes.
    public init(
        _ executable: FilePath, arguments: [String], environment: ProcessEnvironment,
        standard: Standard = Standard(), newSession: Bool = false
    ) throws(SystemError) {
        let descriptors = [standard.input.rawValue, standard.output.rawValue, standard.error.rawValue]
        pid = try check("posix_spawn", [executable.string]) {
            withCStrings([executable.string] + arguments) { arguments in
                withCStrings(environment.strings) { environment in
                    executable.withPlatformString {
                        clinux_spawn($0, arguments, environment, descriptors, newSession ? 1 : 0)
                    }
                }
            }
        }
    }

    /// Sends a signal to a child that was started in a session of its own, and to all that are in its process group.
    public func sendToGroup(_ signal: Signal) throws(SystemError) {
        do {
            try check("kill", ["-\(pid)", "\(signal)"]) { clinux_kill_group(pid, signal.rawValue) }
        } catch {
            if error.errno != .noSuchProcess { throw error }
        }
    }

    /// Waits for its end.
    public func wait() throws(SystemError) -> ProcessEnd {
        let status = try check("waitpid", ["\(pid)"]) { clinux_wait(pid) }
        return status < 256 ? .exited(status) : .signalled(Signal(rawValue: status - 256))
    }
}

/// Becomes another program in place of this one.
public enum CurrentProcess {
    /// Replaces this program; returns only by throwing. Descriptors above 2 are closed, signals are as for a new process.
    ///
    /// The corresponding system call is `execve`.
    public static func execute(
        _ executable: FilePath, arguments: [String], environment: ProcessEnvironment
    ) throws(SystemError) -> Never {
        let error = withCStrings([executable.string] + arguments) { arguments in
            withCStrings(environment.strings) { environment in
                executable.withPlatformString { clinux_execute($0, arguments, environment) }
            }
        }
        throw SystemError("execve", [executable.string], errno: Errno(rawValue: -error))
    }

    public static var pid: Int32 { getpid() }

    /// Effective user id.
    public static var user: UInt32 { geteuid() }

    /// Leaves the mount namespace of the caller for a copy of it, in which mounts of the host still arrive and from which
    /// none go out: `/` and all below become recursively *slave* (mount_namespaces(7)). Needs `CAP_SYS_ADMIN`.
    public static func enterPrivateMountNamespace() throws(SystemError) {
        try check("unshare", ["CLONE_NEWNS"]) { clinux_unshare_mounts() }
        try check("mount_setattr", ["/", "MS_SLAVE"]) { clinux_set_propagation("/", 1, 1) }
    }

    /// Makes `descriptor` the standard input, output or error (0, 1, 2) of this process.
    public static func replaceStandard(_ number: Int32, with descriptor: FileDescriptor) throws(SystemError) {
        try check("dup2", ["\(descriptor.rawValue)", "\(number)"]) {
            clinux_replace_standard(descriptor.rawValue, number)
        }
    }
}

/// The environment of a process, in order, as `NAME=value` strings; bytes that are no UTF-8 are not kept.
public struct ProcessEnvironment: Sendable {
    package var strings: [String]

    public init(_ variables: [(String, String)]) { strings = variables.map { "\($0)=\($1)" } }

    private init(strings: [String]) { self.strings = strings }

    /// Copies the environment of this process.
    public static func inherited() -> ProcessEnvironment {
        var strings: [String] = []
        var next = clinux_environment()
        while let position = next, let string = position.pointee {
            strings.append(String(cString: string))
            next = position + 1
        }
        return ProcessEnvironment(strings: strings)
    }

    /// The value of `name`; the last one if there are several.
    public subscript(name: String) -> String? {
        get {
            let prefix = name + "="
            return strings.last { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
        }
        set {
            let prefix = name + "="
            strings.removeAll { $0.hasPrefix(prefix) }
            if let newValue { strings.append(prefix + newValue) }
        }
    }
}

/// Lends `strings` as a null-terminated array of C strings.
private func withCStrings<Result>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
) -> Result {
    let copies = strings.map { strdup($0) } + [nil]
    defer { for copy in copies { free(copy) } }
    return body(copies)
}
