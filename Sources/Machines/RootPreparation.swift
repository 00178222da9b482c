import LinuxSystem
import Roots
import SystemPackage

/// What a fresh root needs before systemd-nspawn gets it.
///
/// systemd-nspawn makes nothing in an id-mapped root: its own ids have no counterpart there (`EOVERFLOW`), so a missing
/// /run or a host's resolv.conf would silently stay away. It is made here instead, through the descriptor of the root, with
/// the rights and the ownership of the machine's root user, and no link of the image is followed.
struct RootPreparation {
    var name: String
    /// 32 hexadecimal digits; each machine has its own, however many come from one image.
    var machineID: String
    /// Contents of /etc/resolv.conf; nil leaves what the image has.
    var resolver: [UInt8]?

    /// Directories that systemd-nspawn mounts on or binds to, and those of a job.
    private static let directories: [(FilePath.Component, UInt32)] = [
        ("dev", 0o755), ("etc", 0o755), ("proc", 0o555), ("root", 0o750), ("run", 0o755), ("sys", 0o555),
        ("tmp", 0o1777), ("usr", 0o755), ("var", 0o755),
    ]
    static let jobDirectories: [FilePath.Component] = ["builds", "cache"]
    /// Names that lead into /usr on a merged system, where /usr has them.
    private static let mergedDirectories: [FilePath.Component] = ["bin", "lib", "lib64", "sbin"]

    /// - Parameters:
    ///   - root: The root, through the mount that the machine will have.
    ///   - range: The machine's ids; nil without a user namespace.
    /// - Throws: ``SystemError`` naming the entry; what was made stays.
    func apply(to root: borrowing Directory, range: UserNamespace.IDRange?) throws {
        let user = range?.base ?? 0
        // A noncopyable parameter cannot be captured, a descriptor can be lent again.
        let descriptor = try root.directory(".", [])
        try FileSystemIdentity.with(user: user, group: user) {
            for (name, permissions) in Self.directories where try descriptor.statusIfPresent(name) == nil {
                try descriptor.makeDirectory(name, permissions: permissions)
            }
            for name in Self.jobDirectories where try descriptor.statusIfPresent(name) == nil {
                try descriptor.makeDirectory(name)
            }
            try linkMergedDirectories(in: descriptor)
            try writeIdentity(in: descriptor)
        }
    }

    private func linkMergedDirectories(in root: borrowing Directory) throws {
        guard let system = try? root.directory("usr") else { return }
        for name in Self.mergedDirectories where try root.statusIfPresent(name) == nil {
            if try system.statusIfPresent(name)?.kind == .directory {
                try root.makeLink(name, to: FilePath(root: nil, ["usr", name]))
            }
        }
    }

    private func writeIdentity(in root: borrowing Directory) throws {
        // An /etc that is a link leads somewhere that is not ours to write to.
        guard let configuration = try? root.directory("etc") else { return }
        try replace("machine-id", in: configuration, with: Array("\(machineID)\n".utf8), mode: 0o444)
        try replace("hostname", in: configuration, with: Array("\(name)\n".utf8), mode: 0o644)
        if let resolver { try replace("resolv.conf", in: configuration, with: resolver, mode: 0o644) }
    }

    private func replace(
        _ name: FilePath.Component, in directory: borrowing Directory, with contents: [UInt8], mode: UInt32
    ) throws {
        // A directory of that name is the image's own affair; the machine works without the file.
        if try directory.statusIfPresent(name)?.kind == .directory { return }
        try directory.removeFile(name)
        let file = try directory.create(name, mode: mode)
        try file.descriptor.write(all: contents)
    }
}
