internal import CMount
public import LinuxSystem
public import SystemPackage

/// The mounts of a mount namespace, as libmount reads them from mountinfo (proc(5)).
public struct MountTable: Sendable {
    public struct Entry: Hashable, Sendable {
        public let id: Int
        public let parentID: Int
        /// Which directory of the file system is mounted.
        public let root: FilePath
        /// Where it is mounted.
        public let target: FilePath
        /// The type's name, such as `overlay`.
        public let type: String
        /// The device, or whatever text was given.
        public let source: String
        /// Options of the mount and of its file system, separated by commas.
        public let options: String
    }

    /// In the order in which they were mounted.
    public let entries: [Entry]

    /// Reads a mount table.
    ///
    /// - Parameter file: The caller's own unless told otherwise; `/proc/PID/mountinfo` is that of another process.
    /// - Throws: ``SystemError``: `ENOENT` when there is no such process or no /proc, `EINVAL` for a malformed line.
    public init(file: FilePath = "/proc/self/mountinfo") throws(SystemError) {
        guard let table = mnt_new_table(), let iterator = cmount_new_iterator() else {
            throw SystemError("mnt_new_table", [], errno: .noMemory)
        }
        defer {
            mnt_free_iter(iterator)
            mnt_unref_table(table)
        }
        try check("mnt_table_parse_file", [file.string]) {
            file.withPlatformString { mnt_table_parse_file(table, $0) }
        }
        var entries: [Entry] = []
        var item: OpaquePointer?
        while try check("mnt_table_next_fs", [file.string], { mnt_table_next_fs(table, iterator, &item) }) == 0 {
            guard let item else { break }
            entries.append(Entry(item))
        }
        self.entries = entries
    }

    /// What is mounted on `path`, the topmost if several are; nil if it is no mount point.
    public func mount(at path: FilePath) -> Entry? { entries.last { $0.target == path } }

    /// All mounts on `path` and below it.
    public func mounts(below path: FilePath) -> [Entry] { entries.filter { $0.target.starts(with: path) } }
}

extension MountTable.Entry {
    init(_ item: OpaquePointer) {
        func text(_ pointer: UnsafePointer<CChar>?) -> String { pointer.map { String(cString: $0) } ?? "" }
        func path(_ pointer: UnsafePointer<CChar>?) -> FilePath { pointer.map { FilePath(platformString: $0) } ?? "" }
        id = Int(mnt_fs_get_id(item))
        parentID = Int(mnt_fs_get_parent_id(item))
        root = path(mnt_fs_get_root(item))
        target = path(mnt_fs_get_target(item))
        type = text(mnt_fs_get_fstype(item))
        source = text(mnt_fs_get_source(item))
        options = text(mnt_fs_get_options(item))
    }
}
