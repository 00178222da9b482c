public import LinuxSystem
import Logging
import Roots
import SystemPackage

/// How the contents of a new image come to be: a Debian distribution, by the tool that is there.
public struct ImageBootstrap: Sendable {
    /// The programs that can make one.
    public enum Tool: String, CaseIterable, Sendable {
        case mmdebstrap, debootstrap

        /// The first that is on PATH; mmdebstrap if none is.
        public static func installed(environment: ProcessEnvironment) -> Tool {
            let programs = HostPrograms(environment: environment)
            return allCases.first { programs.path($0.rawValue) != nil } ?? .mmdebstrap
        }
    }

    public var suite: String
    /// nil leaves it to the tool.
    public var mirror: String?
    /// Beside those of the variant.
    public var packages: [String]
    public var tool: Tool

    /// What every image for jobs needs: an init, its bus, and what GitLab's scripts call.
    public static let basePackages = ["systemd", "dbus", "git", "python3", "ca-certificates"]

    public init(suite: String, mirror: String? = nil, packages: [String] = [], tool: Tool) {
        self.suite = suite
        self.mirror = mirror
        self.packages = Self.basePackages + packages
        self.tool = tool
    }

    /// The command line that fills the empty directory `target`: variant minbase, nothing that is only recommended.
    ///
    /// - Parameter eatMyData: Whether `eatmydata` runs it: a tree that is thrown away on failure need not be synced.
    func command(target: FilePath, eatMyData: Bool) -> [String] {
        var command = eatMyData ? ["eatmydata"] : []
        command += [tool.rawValue, "--variant=minbase", "--include=\(packages.joined(separator: ","))"]
        if tool == .mmdebstrap { command += ["--quiet", "--mode=root"] }
        command += [suite, target.string]
        if let mirror { command.append(mirror) }
        return command
    }
}

/// Programs of the host that make images; nothing between `prepare` and `cleanup` calls one.
struct HostPrograms {
    let environment: ProcessEnvironment
    /// How long a tool may take to clear up when it is told to end.
    private static let grace: Duration = .seconds(5)

    /// Where `name` is on PATH.
    func path(_ name: String) -> FilePath? {
        let searched = (environment["PATH"] ?? "").split(separator: ":").map(String.init) + ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        guard let name = FilePath.Component(name) else { return nil }
        for text in searched {
            let directory = FilePath(text)
            guard directory.isAbsolute, let opened = try? Directory(directory) else { continue }
            if (try? opened.file(FilePath(root: nil, [name]), [])) != nil { return directory.appending(name) }
        }
        return nil
    }

    /// Runs a command with its output on standard error.
    ///
    /// - Parameter signals: When one comes, the program is told to end, and its end is waited for.
    /// - Throws: ``ImageError/toolMissing(_:)``, ``ImageError/toolFailed(_:_:)``, ``ImageError/interrupted(_:)``.
    func run(_ command: [String], signals: borrowing SignalDescriptor) throws {
        guard let name = command.first, let program = path(name) else {
            throw ImageError.toolMissing(command.first ?? "")
        }
        var environment = environment
        environment["LC_ALL"] = "C.UTF-8"
        environment["DEBIAN_FRONTEND"] = "noninteractive"
        let child = try ChildProcess(
            program, arguments: Array(command.dropFirst()), environment: environment,
            standard: .init(output: .standardError), newSession: true)
        var interruption: Signal?
        if let process = try? ProcessHandle(ProcessIdentity(of: child.pid)) {
            while true {
                let ready = try Poll.wait(
                    for: [.init(process.descriptor, .readable), .init(signals.descriptor, .readable)],
                    timeout: interruption == nil ? nil : Self.grace)
                if ready[0] != nil { break }
                let signal = try signals.next()
                // Asked twice, or for too long, it is not asked any more.
                try child.sendToGroup(interruption == nil ? .terminate : .kill)
                interruption = interruption ?? signal ?? .terminate
            }
        }
        let end = try child.wait()
        // Helpers of the tool that it did not wait for must not write into what is removed next.
        if interruption != nil { try child.sendToGroup(.kill) }
        if let interruption { throw ImageError.interrupted(interruption) }
        guard end == .exited(0) else { throw ImageError.toolFailed(name, "\(end)") }
    }
}
