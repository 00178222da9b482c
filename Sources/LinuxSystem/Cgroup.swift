internal import CLinux
public import SystemPackage

/// A group of processes in the cgroup v2 hierarchy, by its path from the root of that hierarchy.
///
/// There is one such hierarchy per kernel, wherever and however often it is mounted; this type mounts it for itself,
/// detached, so it does not matter whether the host shows it at /sys/fs/cgroup, below it, or not at all. Needs root.
public struct Cgroup: Hashable, Sendable {
    /// Relative to the root of the hierarchy, without a leading slash.
    public let path: FilePath

    /// - Parameter path: A leading slash, as in /proc/PID/cgroup, does not matter.
    public init(_ path: FilePath) { self.path = FilePath(root: nil, path.components) }

    /// The hierarchy as a detached mount (cgroups(7); fsopen(2), Linux 5.2). Nobody sees it, and it is gone when closed.
    public static func hierarchy() throws(SystemError) -> Directory {
        Directory(owning: try KernelFileSystem.mount("cgroup2"), path: "cgroup2:")
    }

    /// Which cgroup `pid` is in, from the `0::` line of /proc/PID/cgroup.
    public static func of(pid: Int32) throws(SystemError) -> Cgroup {
        let name = "/proc/\(pid)/cgroup"
        let contents = try Directory(FilePath("/proc/\(pid)")).contents("cgroup", limit: 65536, [])
        for line in String(decoding: contents, as: UTF8.self).split(separator: "\n") where line.hasPrefix("0::") {
            return Cgroup(FilePath(String(line.dropFirst(3))))
        }
        throw SystemError("read", [name, "0::"], errno: .noSuchFileOrDirectory)
    }

    /// Makes it and those above it; one that is there is taken as it is.
    public func create() throws(SystemError) {
        // The last machine that ends takes the common group with it, perhaps between two of the steps.
        for attempt in 1... {
            do {
                return try createOnce()
            } catch {
                guard Self.isGone(error), attempt < 16 else { throw error }
            }
        }
    }

    private func createOnce() throws(SystemError) {
        let hierarchy = try Self.hierarchy()
        var parent = try hierarchy.directory(".", [])
        for component in path.components {
            try parent.ensureDirectory(component)
            parent = try parent.directory(FilePath(root: nil, [component]))
        }
    }

    /// Moves this process into it; children that it starts from now on are in it as well.
    public func join() throws(SystemError) { try write("0", to: "cgroup.procs") }

    /// Ends every process in it and below with SIGKILL, also those that are being made meanwhile. Does not wait.
    /// The kernel's `cgroup.kill` (Linux 5.14).
    public func kill() throws(SystemError) {
        guard try open() != nil else { return }
        do {
            try write("1", to: "cgroup.kill")
        } catch {
            if !Self.isGone(error) { throw error }
        }
    }

    /// Waits until no process is left in it and below. The kernel announces it through `cgroup.events`.
    ///
    /// - Returns: false if some are left after `timeout`.
    public func waitUntilEmpty(timeout: Duration) throws(SystemError) -> Bool {
        guard let group = try open() else { return true }
        let deadline = Deadline(after: timeout)
        guard let events = try Self.events(of: group) else { return true }
        while true {
            do {
                try check("lseek", ["cgroup.events"]) { clinux_seek(events.rawValue, 0) }
                let text = String(decoding: try events.descriptor.readAll(limit: 4096), as: UTF8.self)
                if text.contains("populated 0") { return true }
            } catch {
                if Self.isGone(error) { return true }
                throw error
            }
            if deadline.hasPassed { return false }
            // At most 200 ms at a time: an announcement between the read and the wait must not be missed for long.
            let wait = min(deadline.remaining, .milliseconds(200))
            _ = try Poll.wait(for: [.init(events.descriptor, .priority)], timeout: wait)
        }
    }

    /// Removes it and all groups below; none of them may hold a process. Removing what is absent succeeds.
    ///
    /// - Throws: ``SystemError``: `EBUSY` if a process is left.
    public func remove() throws {
        // The kernel may be busy for a moment with the processes that have just ended.
        let deadline = Deadline(after: .seconds(2))
        for group in try subgroups().reversed() + [self] {
            while true {
                do {
                    try group.removeEmpty()
                    break
                } catch {
                    guard error.errno == .resourceBusy, !deadline.hasPassed else { throw error }
                    Deadline.pause(.milliseconds(1))
                }
            }
        }
    }

    private func removeEmpty() throws(SystemError) {
        guard let name = path.lastComponent, let parent = try Cgroup(path.removingLastComponent()).open() else { return }
        try parent.removeDirectory(name)
    }

    /// Removes it if neither a process nor a group is in it.
    public func removeIfUnused() throws(SystemError) {
        do {
            try removeEmpty()
        } catch {
            if error.errno != .resourceBusy && error.errno != .directoryNotEmpty { throw error }
        }
    }

    /// Numbers of the processes in it and below; empty if there is no such group.
    public func processes() throws -> [Int32] {
        try ([self] + subgroups()).flatMap { try $0.ownProcesses() }
    }

    /// All groups below, each after the one that it is in. However deep they are: a machine's root makes as many as it likes.
    private func subgroups() throws -> [Cgroup] {
        var found: [Cgroup] = []
        var next = [self]
        while let group = next.popLast() {
            guard let directory = try group.open() else { continue }
            do {
                try directory.forEachEntry { name, kind in
                    if kind == .directory { next.append(Cgroup(group.path.appending(name))) }
                }
            } catch let error as SystemError {
                // Others, systemd first of all, remove groups as soon as they are empty.
                if !Self.isGone(error) { throw error }
            }
            if group != self { found.append(group) }
        }
        return found
    }

    private func ownProcesses() throws(SystemError) -> [Int32] {
        guard let group = try open() else { return [] }
        do {
            let text = String(decoding: try group.contents("cgroup.procs", limit: 1 << 22), as: UTF8.self)
            return text.split(separator: "\n").compactMap { Int32($0) }
        } catch {
            if Self.isGone(error) { return [] }
            throw error
        }
    }

    /// First line of the file `name` of this group, such as `memory.max`.
    public func value(_ name: FilePath) throws(SystemError) -> String {
        guard let group = try open() else { throw SystemError("open", [path.string], errno: .noSuchFileOrDirectory) }
        let text = String(decoding: try group.contents(name, limit: 65536), as: UTF8.self)
        return String(text.prefix { $0 != "\n" })
    }

    // MARK: Inside

    private static func isGone(_ error: SystemError) -> Bool {
        error.errno == .noSuchFileOrDirectory || error.errno == .operationNotSupportedByDevice
    }

    private static func events(of group: borrowing Directory) throws(SystemError) -> OwnedFileDescriptor? {
        do {
            return try group.file("cgroup.events")
        } catch {
            if isGone(error) { return nil }
            throw error
        }
    }

    private func open() throws(SystemError) -> Directory? {
        do {
            let hierarchy = try Self.hierarchy()
            return path.isEmpty ? hierarchy : try hierarchy.directory(path)
        } catch {
            if Self.isGone(error) { return nil }
            throw error
        }
    }

    private func write(_ text: String, to name: FilePath) throws(SystemError) {
        let hierarchy = try Self.hierarchy()
        let file = try hierarchy.openForWriting(path.appending(name.components))
        try file.descriptor.write(all: Array(text.utf8))
    }
}
