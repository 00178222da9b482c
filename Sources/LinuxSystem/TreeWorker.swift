internal import CLinux
internal import Glibc
internal import SystemPackage

/// What one thread does for a ``TreeQueue``: copies directories without those in them. No allocation per file.
final class TreeWorker {
    private let queue: TreeQueue
    private let attributes = AttributeCopier()
    private let entriesCapacity = 65536
    private let entries: UnsafeMutableRawPointer
    private let linkTarget = UnsafeMutablePointer<CChar>.allocate(capacity: Int(PATH_MAX) + 1)
    /// `/proc/self/fd/N/NAME` in the source and in the target.
    private let sourceName = UnsafeMutablePointer<CChar>.allocate(capacity: 320)
    private let targetName = UnsafeMutablePointer<CChar>.allocate(capacity: 320)
    private var contents = FileContents()

    init(queue: TreeQueue) {
        self.queue = queue
        entries = .allocate(byteCount: entriesCapacity, alignment: 16)
    }

    deinit {
        entries.deallocate()
        linkTarget.deallocate()
        sourceName.deallocate()
        targetName.deallocate()
    }

    /// Copies a directory, and answers the directories in it, which exist in the target, empty.
    func copyDirectory(_ node: TreeNode) throws(SystemError) -> [TreeNode] {
        try open(node)
        var children: [TreeNode] = []
        while true {
            let count = clinux_getdents(node.source, entries, entriesCapacity)
            if count == 0 { break }
            try require("getdents64", count, node, nil)
            var offset = 0
            while offset < count {
                var entry = clinux_entry()
                offset = clinux_entry(entries, offset, &entry)
                guard let name = entry.name, !isDots(name) else { continue }
                switch Int(entry.type) {
                case Int(DT_REG): try copyFile(name, node)
                case Int(DT_DIR): children.append(try makeDirectory(name, entry.name_length, node))
                default: try copyOther(name, entry.name_length, node, &children)
                }
            }
        }
        try finish(node)
        return children
    }

    private func isDots(_ name: UnsafePointer<CChar>) -> Bool {
        let dot = CChar(bitPattern: UInt8(ascii: "."))
        return name[0] == dot && (name[1] == 0 || (name[1] == dot && name[2] == 0))
    }

    @inline(__always)
    private func require(
        _ call: StaticString, _ result: some SignedInteger, _ node: TreeNode, _ name: UnsafePointer<CChar>?
    ) throws(SystemError) {
        if result < 0 { throw failure(call, Int(result), node, name) }
    }

    private func failure(
        _ call: StaticString, _ result: Int, _ node: TreeNode, _ name: UnsafePointer<CChar>?
    ) -> SystemError {
        let name = name.map { Array(UnsafeBufferPointer(start: $0, count: strlen($0))) }
        return SystemError("\(call)", [queue.describe(node, name)], errno: Errno(rawValue: CInt(clamping: -result)))
    }

    // MARK: Directories

    private func open(_ node: TreeNode) throws(SystemError) {
        guard let parent = node.parent else { return }
        let (from, to): (CInt, CInt)
        if parent.source >= 0 {
            let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
            from = clinux_openat(parent.source, node.name, flags | clinux_o_noatime, 0)
            to = clinux_openat(parent.target, node.name, flags, 0)
        } else {
            let path = node.relativePath
            from = openBelow(queue.top.source, path)
            to = openBelow(queue.top.target, path)
        }
        node.source = from
        node.target = to
        queue.childIsOpen(parent)
        if from < 0 || to < 0 {
            if from >= 0 { _ = close(from) }
            if to >= 0 { _ = close(to) }
            throw failure("openat", Int(from < 0 ? from : to), node, nil)
        }
        try require("statx", clinux_status(from, "", &node.status), node, nil)
    }

    private func makeDirectory(
        _ name: UnsafePointer<CChar>, _ length: Int, _ node: TreeNode
    ) throws(SystemError) -> TreeNode {
        try require("mkdirat", clinux_mkdirat(node.target, name, 0o700), node, name)
        return TreeNode(parent: node, name: name, length: length)
    }

    /// Attributes of a directory come after its entries, which would change its times and inherit its lists and group.
    private func finish(_ node: TreeNode) throws(SystemError) {
        do {
            try attributes.copy(node.status, from: node.source, to: node.target, madeWithMode: false)
        } catch {
            throw failure(error.call, error.result, node, nil)
        }
        copyFlags(node.source, node.target, nil, node)
    }

    // MARK: Files

    private func copyFile(_ name: UnsafePointer<CChar>, _ node: TreeNode) throws(SystemError) {
        // O_NONBLOCK: what was a file a moment ago may be a fifo now.
        let source = clinux_openat(
            node.source, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | clinux_o_noatime, 0)
        try require("openat", source, node, name)
        defer { _ = close(source) }
        var status = clinux_status()
        try require("statx", clinux_status(source, "", &status), node, name)
        if status.links > 1 {
            try linkOr(name, status, node) { () throws(SystemError) in try copyFile(source, status, name, node) }
        } else {
            try copyFile(source, status, name, node)
        }
    }

    private func copyFile(
        _ source: CInt, _ status: clinux_status, _ name: UnsafePointer<CChar>, _ node: TreeNode
    ) throws(SystemError) {
        let target = clinux_openat(
            node.target, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, status.mode & 0o7777)
        try require("openat", target, node, name)
        defer { _ = close(target) }
        do {
            if status.size > 0 {
                try contents.copy(from: source, to: target, status, sharingExtents: queue.sharingExtents)
            }
            try attributes.copy(status, from: source, to: target, madeWithMode: true)
        } catch {
            throw failure(error.call, error.result, node, name)
        }
        if status.attributes & clinux_status_flagged != 0 { copyFlags(source, target, name, node) }
    }

    /// Flags that the target's file system does not know are not kept.
    private func copyFlags(_ source: CInt, _ target: CInt, _ name: UnsafePointer<CChar>?, _ node: TreeNode) {
        var flags: UInt32 = 0
        var own: UInt32 = 0
        guard clinux_get_inode_flags(source, &flags) >= 0 else { return }
        let protecting = clinux_flag_immutable | clinux_flag_append
        let harmless = clinux_flag_nodump | clinux_flag_compress | (name == nil ? clinux_flag_nocow : 0)
        guard flags & (protecting | harmless) != 0, clinux_get_inode_flags(target, &own) >= 0 else { return }
        own |= flags & harmless
        if flags & harmless != 0 { _ = clinux_set_inode_flags(target, own) }
        if flags & protecting != 0 { queue.setLater(own | (flags & protecting), of: name, in: node) }
    }

    /// Another name of what was copied before, or the first one, which `copy` makes.
    private func linkOr(
        _ name: UnsafePointer<CChar>, _ status: clinux_status, _ node: TreeNode,
        _ copy: () throws(SystemError) -> Void
    ) throws(SystemError) {
        let key = LinkTable.Key(device: status.device, inode: status.inode)
        let links = status.links
        try queue.links.locked { (table) throws(SystemError) in
            guard let first = table.places[key] else {
                try copy()
                let name = Array(UnsafeBufferPointer(start: name, count: strlen(name) + 1))
                table.places[key] = LinkTable.Place(node: node, name: name, missing: links - 1)
                return
            }
            try link(first, name, node)
            table.places[key] = first.missing > 1 ? .init(node: first.node, name: first.name, missing: first.missing - 1) : nil
        }
    }

    private func link(
        _ first: LinkTable.Place, _ name: UnsafePointer<CChar>, _ node: TreeNode
    ) throws(SystemError) {
        if first.node === node {
            return try require("linkat", clinux_linkat(node.target, first.name, node.target, name), node, name)
        }
        let directory = openBelow(queue.top.target, first.node.relativePath)
        try require("openat2", directory, node, name)
        defer { _ = close(directory) }
        try require("linkat", clinux_linkat(directory, first.name, node.target, name), node, name)
    }

    // MARK: What cannot be opened

    private func copyOther(
        _ name: UnsafePointer<CChar>, _ length: Int, _ node: TreeNode, _ children: inout [TreeNode]
    ) throws(SystemError) {
        var status = clinux_status()
        try require("statx", clinux_status(node.source, name, &status), node, name)
        switch FileStatus(status).kind {
        // The file system does not tell types with names.
        case .regular: return try copyFile(name, node)
        case .directory: return children.append(try makeDirectory(name, length, node))
        default: break
        }
        if status.links > 1 {
            try linkOr(name, status, node) { () throws(SystemError) in try makeOther(name, status, node) }
        } else {
            try makeOther(name, status, node)
        }
    }

    private func makeOther(
        _ name: UnsafePointer<CChar>, _ status: clinux_status, _ node: TreeNode
    ) throws(SystemError) {
        if status.mode & 0o170000 == 0o120000 {
            let length = clinux_readlinkat(node.source, name, linkTarget, Int(PATH_MAX))
            try require("readlinkat", length, node, name)
            linkTarget[length] = 0
            try require("symlinkat", clinux_symlinkat(linkTarget, node.target, name), node, name)
        } else {
            try require(
                "mknodat", clinux_mknodat(node.target, name, status.mode, status.special_device), node, name)
        }
        write(node.source, name, to: sourceName)
        write(node.target, name, to: targetName)
        do {
            try attributes.copy(status, from: sourceName, to: targetName, name, in: node.target)
        } catch {
            throw failure(error.call, error.result, node, name)
        }
    }

    private func write(_ directory: CInt, _ name: UnsafePointer<CChar>, to path: UnsafeMutablePointer<CChar>) {
        strcpy(path, "/proc/self/fd/")
        var digits: (CInt, Int) = (directory, 1)
        while digits.0 >= 10 { digits = (digits.0 / 10, digits.1 + 1) }
        var rest = directory
        for position in (14..<14 + digits.1).reversed() {
            path[position] = CChar(48 + rest % 10)
            rest /= 10
        }
        path[14 + digits.1] = CChar(bitPattern: UInt8(ascii: "/"))
        strcpy(path + 14 + digits.1 + 1, name)
    }
}
