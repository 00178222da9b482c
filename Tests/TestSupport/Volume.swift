import Foundation
import Mounts
import SystemPackage
import Testing

/// File systems that tests make.
public enum VolumeKind: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case btrfs, xfs, plainXFS = "XFS without reflink", ext4, tmpfs
    public var testDescription: String { rawValue }

    fileprivate var format: (program: String, arguments: [String])? {
        switch self {
        case .btrfs: ("mkfs.btrfs", ["-q", "-f"])
        case .xfs: ("mkfs.xfs", ["-q", "-f", "-m", "reflink=1"])
        case .plainXFS: ("mkfs.xfs", ["-q", "-f", "-m", "reflink=0"])
        case .ext4: ("mkfs.ext4", ["-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1"])
        case .tmpfs: nil
        }
    }
}

/// A file system of a test's own.
public struct Volume: Sendable {
    public let kind: VolumeKind
    /// Where it is mounted.
    public let path: FilePath
    /// A directory beside it, on the host's file system; for mount points.
    public let beside: FilePath
    /// What the test process had of the kernel before.
    let before: Leftovers
}

/// Calls `body` with a new file system in a sparse file, and takes everything away afterwards, last in first out, also
/// when `body` throws.
///
/// - Parameter megabytes: mkfs.xfs wants 300.
public func withVolume<Result>(
    _ kind: VolumeKind, megabytes: Int = 512, options: String = "noatime", _ body: (Volume) throws -> Result
) throws -> Result {
    let directory = "/var/tmp/nspawn-runner-test-\(UUID().uuidString.prefix(13))"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let (file, target) = ("\(directory)/image", "\(directory)/volume")
    try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: false)
    if let format = kind.format {
        try run("truncate", ["-s", "\(megabytes)M", file])
        try run(format.program, format.arguments + [file])
        // mount(8) makes a loop device that is gone with the mount.
        try run("mount", ["-o", "loop,\(options)", file, target])
    } else {
        try run("mount", ["-t", "tmpfs", "-o", "size=\(megabytes)m", "tmpfs", target])
    }
    defer {
        for entry in ((try? MountTable())?.mounts(below: FilePath(directory)) ?? []).reversed() {
            do {
                try Mount.unmount(entry.target)
            } catch {
                try? Mount.unmount(entry.target, lazily: true)
            }
        }
    }
    let beside = "\(directory)/beside"
    try FileManager.default.createDirectory(atPath: beside, withIntermediateDirectories: false)
    return try body(
        Volume(kind: kind, path: FilePath(target), beside: FilePath(beside), before: Leftovers(below: FilePath(directory))))
}
