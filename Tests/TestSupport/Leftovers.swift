import Foundation
import Mounts
import SystemPackage

/// What a test could leave behind beside files: mounts below its directory and descriptors of files there.
///
/// Descriptors of the whole process cannot be compared, since tests run at the same time.
public struct Leftovers: Hashable, Sendable {
    public let mounts: [String]
    public let descriptors: [String]

    public init(below directory: FilePath) throws {
        mounts = try MountTable().mounts(below: directory).map { "\($0.type) on \($0.target)" }
        descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
            .compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)") }
            .filter { $0.hasPrefix(directory.string) }.sorted()
    }
}

extension Volume {
    /// What is mounted or open here now and was not at the beginning; empty if all is well.
    ///
    /// - Parameter except: Directories that are rightly open.
    public func leftovers(except: FilePath...) throws -> [String] {
        let now = try Leftovers(below: beside.removingLastComponent())
        return now.mounts.filter { !before.mounts.contains($0) }
            + now.descriptors.filter { !before.descriptors.contains($0) && !except.contains(FilePath($0)) }
    }
}
