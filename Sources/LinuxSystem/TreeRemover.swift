internal import CLinux
internal import Glibc
package import SystemPackage

/// Removes trees that somebody else wrote: through descriptors, links never followed, at any depth, in memory that is
/// bounded by the depth.
package struct TreeRemover: ~Copyable {
    /// Removes whatever is called `name` in `parent`. Removing what is absent succeeds.
    ///
    /// Immutable and append-only flags are cleared. Nothing is removed below a mount point.
    ///
    /// - Parameter deleteSubvolume: Deletes the btrfs subvolume of this name with all inside it.
    /// - Throws: ``SystemError`` names the entry: `EBUSY` for a mount point, `EPERM`, `EROFS`; what `deleteSubvolume` throws.
    package static func remove(
        _ name: FilePath.Component, in parent: borrowing Directory,
        deleteSubvolume: (FilePath.Component, borrowing Directory) throws -> Void
    ) throws {
        guard let status = try parent.statusIfPresent(name) else { return }
        var remover = TreeRemover(top: parent.rawValue, path: parent.path)
        guard status.kind == .directory else {
            return try name.withPlatformString { try remover.unlink($0, in: parent.rawValue) }
        }
        remover.isBtrfs = try parent.fileSystem().type == .btrfs
        try remover.removeDirectory(name, deleteSubvolume)
    }

    /// A directory that is being emptied.
    private struct Level {
        let name: FilePath.Component
        let device: UInt64
        let inode: UInt64
        /// -1 while directories far below are being emptied: descriptors are as many as `openLevels`, not as the depth.
        var descriptor: CInt
        /// What was read of it and is not yet worked off.
        var buffer: [UInt8] = []
        var offset = 0
        var count = 0
        var attempts = 0
    }
    private static let openLevels = 64

    private let top: CInt
    private let path: FilePath
    private var isBtrfs = false
    private var levels: [Level] = []

    private init(top: CInt, path: FilePath) {
        self.top = top
        self.path = path
    }

    deinit {
        for level in levels where level.descriptor >= 0 { _ = close(level.descriptor) }
    }

    private mutating func removeDirectory(
        _ name: FilePath.Component, _ deleteSubvolume: (FilePath.Component, borrowing Directory) throws -> Void
    ) throws {
        try enter(name, deleteSubvolume)
        while let last = levels.indices.last {
            guard try fill(last) else {
                try leave()
                continue
            }
            if let directory = try removeEntries(last) { try enter(directory, deleteSubvolume) }
        }
    }

    /// Reads on when all that was read is worked off; false at the end.
    private mutating func fill(_ index: Int) throws(SystemError) -> Bool {
        if levels[index].offset < levels[index].count { return true }
        if levels[index].buffer.isEmpty { levels[index].buffer = [UInt8](repeating: 0, count: 8192) }
        let descriptor = levels[index].descriptor
        let count = try check("getdents64", [place(nil)]) {
            levels[index].buffer.withUnsafeMutableBytes { clinux_getdents(descriptor, $0.baseAddress, $0.count) }
        }
        levels[index].count = count
        levels[index].offset = 0
        return count > 0
    }

    /// Removes entries up to the next directory and answers that.
    private mutating func removeEntries(_ index: Int) throws -> FilePath.Component? {
        let descriptor = levels[index].descriptor
        var offset = levels[index].offset
        let count = levels[index].count
        defer { levels[index].offset = offset }
        return try levels[index].buffer.withUnsafeBytes { bytes -> FilePath.Component? in
            while offset < count {
                var entry = clinux_entry()
                offset = clinux_entry(bytes.baseAddress, offset, &entry)
                guard let name = entry.name, !isDots(name) else { continue }
                if try entry.type == UInt8(DT_DIR) || isDirectory(name, in: descriptor, entry.type) {
                    return FilePath.Component(platformString: name)
                }
                try unlink(name, in: descriptor)
            }
            return nil
        }
    }

    private func isDots(_ name: UnsafePointer<CChar>) -> Bool {
        let dot = CChar(bitPattern: UInt8(ascii: "."))
        return name[0] == dot && (name[1] == 0 || (name[1] == dot && name[2] == 0))
    }

    private func isDirectory(_ name: UnsafePointer<CChar>, in directory: CInt, _ type: UInt8) throws -> Bool {
        guard type == UInt8(DT_UNKNOWN) else { return false }
        var status = clinux_status()
        try check("statx", [place(name)]) { clinux_status(directory, name, &status) }
        return FileStatus(status).kind == .directory
    }

    private mutating func enter(
        _ name: FilePath.Component, _ deleteSubvolume: (FilePath.Component, borrowing Directory) throws -> Void
    ) throws {
        let parent = levels.last?.descriptor ?? top
        let resolution: Directory.Resolution = [.beneath, .noLinks, .noMounts]
        let descriptor: OwnedFileDescriptor
        do {
            let opened = try check("openat2", [place(name)]) {
                name.withPlatformString {
                    clinux_openat2(parent, $0, UInt64(O_RDONLY | O_DIRECTORY), 0, resolution.rawValue)
                }
            }
            descriptor = OwnedFileDescriptor(owning: opened)
        } catch {
            if error.errno == .noSuchFileOrDirectory { return }
            // EXDEV: it is a mount point.
            throw error.errno == .improperLink
                ? SystemError("unlinkat", [place(name)], errno: .resourceBusy) : error
        }
        let status = try descriptor.descriptor.status()
        if isBtrfs && status.inode == 256 {
            let own = try check("openat2", [place(nil)]) { clinux_openat2(parent, ".", UInt64(O_RDONLY | O_DIRECTORY), 0, 0) }
            let directory = Directory(owning: OwnedFileDescriptor(owning: own), path: FilePath(place(nil)))
            _ = consume descriptor
            return try deleteSubvolume(name, directory)
        }
        levels.append(
            Level(name: name, device: status.device, inode: status.inode, descriptor: descriptor.release().rawValue))
        let old = levels.count - 1 - Self.openLevels
        if old >= 0 {
            _ = close(levels[old].descriptor)
            levels[old].descriptor = -1
            levels[old].buffer = []
            (levels[old].offset, levels[old].count) = (0, 0)
        }
    }

    /// Removes the innermost directory, which is empty.
    private mutating func leave() throws {
        let last = levels.count - 1
        if last > 0 && levels[last - 1].descriptor < 0 { try reopen(last - 1, from: levels[last].descriptor) }
        let parent = last > 0 ? levels[last - 1].descriptor : top
        let descriptor = levels[last].descriptor
        let name = levels[last].name
        do {
            try name.withPlatformString { try remove($0, in: parent, isDirectory: true, itself: descriptor) }
        } catch {
            // A file system may skip entries while others are removed: read it again, not for ever.
            guard let error = error as? SystemError, error.errno == .directoryNotEmpty, levels[last].attempts < 8 else {
                throw error
            }
            levels[last].attempts += 1
            try check("lseek", [place(nil)]) { clinux_seek(descriptor, 0) }
            return
        }
        _ = close(descriptor)
        levels.removeLast()
    }

    /// Back to a directory whose descriptor was given up. It must be the one that was left.
    private mutating func reopen(_ index: Int, from child: CInt) throws {
        let opened = try check("openat2", [place(nil), ".."]) {
            clinux_openat2(child, "..", UInt64(O_RDONLY | O_DIRECTORY), 0, 0)
        }
        let descriptor = OwnedFileDescriptor(owning: opened)
        let status = try descriptor.descriptor.status()
        guard status.inode == levels[index].inode, status.device == levels[index].device else {
            throw SystemError("openat2", [place(nil), ".."], errno: .staleNFSFileHandle)
        }
        levels[index].descriptor = descriptor.release().rawValue
    }

    private func unlink(_ name: UnsafePointer<CChar>, in directory: CInt) throws {
        try remove(name, in: directory, isDirectory: false, itself: nil)
    }

    private func remove(
        _ name: UnsafePointer<CChar>, in directory: CInt, isDirectory: Bool, itself: CInt?
    ) throws {
        let result = clinux_unlinkat(directory, name, isDirectory ? 1 : 0)
        if result >= 0 || result == -ENOENT { return }
        if result == -EPERM {
            // Immutable or append-only: the entry or the directory it is in.
            clearFlags(directory)
            if let itself {
                clearFlags(itself)
            } else {
                let file = clinux_openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0)
                if file >= 0 {
                    clearFlags(file)
                    _ = close(file)
                }
            }
        }
        do {
            try check("unlinkat", [place(isDirectory ? nil : name)]) {
                clinux_unlinkat(directory, name, isDirectory ? 1 : 0)
            }
        } catch {
            if error.errno != .noSuchFileOrDirectory { throw error }
        }
    }

    private func clearFlags(_ descriptor: CInt) {
        var flags: UInt32 = 0
        let protecting = clinux_flag_immutable | clinux_flag_append
        guard clinux_get_inode_flags(descriptor, &flags) >= 0, flags & protecting != 0 else { return }
        // If it cannot be cleared, the second attempt to unlink tells.
        _ = clinux_set_inode_flags(descriptor, flags & ~protecting)
    }

    private func place(_ name: FilePath.Component) -> String { name.withPlatformString { place($0) } }

    /// The path of an entry of the innermost directory, or of that itself; shortened in the middle when it is very deep.
    private func place(_ name: UnsafePointer<CChar>?) -> String {
        var result = path
        let shown = levels.count > 40 ? Array(levels.prefix(20)) + levels.suffix(20) : levels
        for level in shown { result.append(level.name) }
        if let name, let component = FilePath.Component(platformString: name) { result.append(component) }
        return result.string
    }
}
