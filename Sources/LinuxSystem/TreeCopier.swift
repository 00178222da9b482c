internal import CLinux
internal import Glibc
internal import SystemPackage

/// Copies trees: through descriptors, links never followed, by several threads, each taking a directory at a time.
///
/// Keeps modes, owners, times to the nanosecond, hard links, symbolic links, fifos, sockets, devices, extended attributes,
/// access control lists, capabilities, holes, inode flags and names of any bytes. Access times of the source stay.
package enum TreeCopier {
    /// Copies everything in `source` into `target`, which is empty, and the attributes of `source` itself.
    ///
    /// What is mounted below `source` is not looked for: give a detached mount of it. Memory grows with directories that
    /// wait and with hard links of which not all were seen.
    ///
    /// - Parameters:
    ///   - sharingExtents: Files share their extents with the source's (`FICLONE`); a single file that cannot is copied.
    ///   - threads: As many as there are cores unless told otherwise, at most 4: one tree of a file system is one lock.
    /// - Throws: ``SystemError`` names the file: `ENOSPC`, `EDQUOT`, `EIO`, `EOPNOTSUPP` for an attribute that the target
    ///   cannot hold. What was copied so far is left.
    package static func copy(
        _ source: borrowing Directory, into target: borrowing Directory, sharingExtents: Bool, threads: Int? = nil
    ) throws(SystemError) {
        var status = clinux_status()
        let descriptor = source.rawValue
        try check("statx", [source.path.string]) { clinux_status(descriptor, "", &status) }
        removeAccessControlLists(of: target.rawValue)
        let top = TreeNode(source: source.rawValue, target: target.rawValue, status: status)
        let queue = TreeQueue(top: top, path: source.path, sharingExtents: sharingExtents)
        let cores = Int(sysconf(CInt(_SC_NPROCESSORS_ONLN)))
        try queue.run(threads: threads ?? max(1, min(cores, 4)))
    }
}

/// A directory that is to be copied, or below which one is.
final class TreeNode {
    let parent: TreeNode?
    /// With the terminating zero.
    let name: [CChar]
    /// -1 when they were closed, or not opened yet.
    var source: CInt
    var target: CInt
    var status: clinux_status
    /// Directories below that are not open yet, and are opened relative to this one.
    var waiting = 0

    init(source: CInt, target: CInt, status: clinux_status) {
        parent = nil
        name = [0]
        self.source = source
        self.target = target
        self.status = status
    }

    init(parent: TreeNode, name: UnsafePointer<CChar>, length: Int) {
        self.parent = parent
        self.name = Array(UnsafeBufferPointer(start: name, count: length + 1))
        source = -1
        target = -1
        status = clinux_status()
    }

    /// Closes what is still open when a copy was given up; the top's descriptors belong to somebody else.
    deinit {
        guard parent != nil else { return }
        for descriptor in [source, target] where descriptor >= 0 { _ = close(descriptor) }
    }

    /// Bytes of the path below the top, without a zero at the end; empty for the top.
    var relativePath: [CChar] {
        var nodes: [TreeNode] = []
        var node: TreeNode? = self
        while let current = node, current.parent != nil {
            nodes.append(current)
            node = current.parent
        }
        var path: [CChar] = []
        for node in nodes.reversed() {
            if !path.isEmpty { path.append(CChar(bitPattern: UInt8(ascii: "/"))) }
            path += node.name.dropLast()
        }
        return path
    }
}

/// Opens a directory below `top` whatever the length of its path; PATH_MAX holds for one call only.
func openBelow(_ top: CInt, _ path: [CChar]) -> CInt {
    let slash = CChar(bitPattern: UInt8(ascii: "/"))
    let resolution: Directory.Resolution = .untrusted
    func open(_ directory: CInt, _ part: ArraySlice<CChar>) -> CInt {
        let name = part.isEmpty ? [CChar(bitPattern: UInt8(ascii: ".")), 0] : Array(part) + [0]
        return clinux_openat2(directory, name, UInt64(O_RDONLY | O_DIRECTORY), 0, resolution.rawValue)
    }
    var current = top
    var rest = path[...]
    while true {
        var part = rest
        if rest.count > Int(PATH_MAX) - 1 {
            let window = rest.prefix(Int(PATH_MAX) - 1)
            guard let end = window.lastIndex(of: slash) else { return -ENAMETOOLONG }
            part = rest[rest.startIndex..<end]
        }
        let next = open(current, part)
        if current != top { _ = close(current) }
        if next < 0 || part.count == rest.count { return next }
        current = next
        rest = rest.dropFirst(part.count + 1)
    }
}
