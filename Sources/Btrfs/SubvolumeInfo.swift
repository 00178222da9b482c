internal import CBtrfsUtil
public import LinuxSystem
public import SystemPackage

/// What btrfs knows about a subvolume.
public struct SubvolumeInfo: Hashable, Sendable {
    /// Unique in its file system, never used again.
    public let id: UInt64
    /// The subvolume that contains it.
    public let parentID: UInt64
    public let uuid: [UInt8]
    /// The subvolume of which it is a snapshot, nil if it is none.
    public let parentUUID: [UInt8]?
    /// Changes with every write to the subvolume, and with every snapshot taken of it.
    public let generation: UInt64
    /// The transaction in which something inside was last changed.
    public let changeGeneration: UInt64
    /// The transaction in which it was made.
    public let creationGeneration: UInt64

    init(_ raw: btrfs_util_subvolume_info) {
        id = raw.id
        parentID = raw.parent_id
        uuid = withUnsafeBytes(of: raw.uuid) { [UInt8]($0) }
        let parent = withUnsafeBytes(of: raw.parent_uuid) { [UInt8]($0) }
        parentUUID = parent.contains { $0 != 0 } ? parent : nil
        generation = raw.generation
        changeGeneration = raw.ctransid
        creationGeneration = raw.otransid
    }
}

/// A subvolume inside another.
public struct NestedSubvolume: Hashable, Sendable {
    public let id: UInt64
    /// Relative to the subvolume that was asked about.
    public let path: FilePath
}

extension Subvolume {
    /// Identity, origin and generations of a subvolume.
    ///
    /// - Throws: ``BtrfsError`` `notSubvolume`, `notBtrfs`.
    public static func info(of subvolume: borrowing Directory) throws(BtrfsError) -> SubvolumeInfo {
        let descriptor = subvolume.descriptor.rawValue
        var raw = btrfs_util_subvolume_info()
        try check("look at subvolume", subvolume.path) { cbtrfsutil_info(descriptor, &raw) }
        return SubvolumeInfo(raw)
    }

    /// All subvolumes inside this one at any depth, each after the one that contains it.
    ///
    /// Costs a search of the tree of roots, not of the files.
    public static func nestedSubvolumes(of subvolume: borrowing Directory) throws(BtrfsError) -> [NestedSubvolume] {
        let descriptor = subvolume.descriptor.rawValue
        var iterator: OpaquePointer?
        try check("list subvolumes of", subvolume.path) { cbtrfsutil_iterate(descriptor, &iterator) }
        defer { btrfs_util_destroy_subvolume_iterator(iterator) }
        var found: [NestedSubvolume] = []
        while true {
            var path: UnsafeMutablePointer<CChar>?
            var id: UInt64 = 0
            do {
                try check("list subvolumes of", subvolume.path) { cbtrfsutil_next(iterator, &path, &id) }
            } catch {
                if error.code == .stopIteration { return found }
                throw error
            }
            guard let text = path else { return found }
            found.append(NestedSubvolume(id: id, path: FilePath(platformString: text)))
            free(text)
        }
    }
}
