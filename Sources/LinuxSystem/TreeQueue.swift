internal import CLinux
internal import Glibc
internal import SystemPackage

/// Directories that wait to be copied, shared by the threads that copy them. The last that came is taken first, so that
/// few wait.
final class TreeQueue: @unchecked Sendable {
    let top: TreeNode
    let path: FilePath
    let sharingExtents: Bool
    let links = LinkTable()

    /// As many directories are kept open for those below them; others are opened by their path from the top.
    private static let openLimit = 200

    // Everything below is guarded by `mutex`.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var waiting: [TreeNode]
    /// Waiting or being copied.
    private var unfinished = 1
    private var open = 0
    private var failure: SystemError?
    /// Flags that would forbid what is still to be done (immutable, append-only), set at the very end.
    private var flags: [(node: TreeNode, name: [CChar]?, flags: UInt32)] = []

    init(top: TreeNode, path: FilePath, sharingExtents: Bool) {
        self.top = top
        self.path = path
        self.sharingExtents = sharingExtents
        waiting = [top]
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    /// Never on the calling thread: the workers have a umask of their own.
    func run(threads: Int) throws(SystemError) {
        var started: [pthread_t] = []
        for _ in 0..<threads {
            var thread = pthread_t()
            let context = Unmanaged.passRetained(self)
            let result = pthread_create(&thread, nil, { context in
                if let context { Unmanaged<TreeQueue>.fromOpaque(context).takeRetainedValue().work() }
                return nil
            }, context.toOpaque())
            if result == 0 {
                started.append(thread)
            } else {
                context.release()
                if started.isEmpty { throw SystemError("pthread_create", [], errno: Errno(rawValue: result)) }
                break
            }
        }
        for thread in started { pthread_join(thread, nil) }
        if let failure { throw failure }
        try setDeferredFlags()
    }

    private func work() {
        let result = clinux_clear_thread_umask()
        if result < 0 { fail(SystemError("unshare", ["CLONE_FS"], errno: Errno(rawValue: -result))) }
        let worker = TreeWorker(queue: self)
        while let node = next() {
            do {
                let children = try worker.copyDirectory(node)
                finish(node, children)
            } catch {
                fail(error)
            }
        }
    }

    private func next() -> TreeNode? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while waiting.isEmpty && unfinished > 0 && failure == nil { pthread_cond_wait(changed, mutex) }
        return failure == nil ? waiting.popLast() : nil
    }

    private func finish(_ node: TreeNode, _ children: [TreeNode]) {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        node.waiting = children.count
        if node !== top {
            if children.isEmpty || open >= Self.openLimit { close(node) } else { open += 1 }
        }
        waiting.append(contentsOf: children.reversed())
        unfinished += children.count - 1
        if unfinished == 0 || !children.isEmpty { pthread_cond_broadcast(changed) }
    }

    /// The descriptor of `parent` is not needed by one directory any more.
    func childIsOpen(_ parent: TreeNode) {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        parent.waiting -= 1
        if parent.waiting == 0 && parent !== top && parent.source >= 0 {
            close(parent)
            open -= 1
        }
    }

    private func close(_ node: TreeNode) {
        _ = Glibc.close(node.source)
        _ = Glibc.close(node.target)
        node.source = -1
        node.target = -1
    }

    private func fail(_ error: SystemError) {
        pthread_mutex_lock(mutex)
        failure = failure ?? error
        pthread_cond_broadcast(changed)
        pthread_mutex_unlock(mutex)
    }

    func setLater(_ flags: UInt32, of name: UnsafePointer<CChar>?, in node: TreeNode) {
        pthread_mutex_lock(mutex)
        self.flags.append((node, name.map { Array(UnsafeBufferPointer(start: $0, count: strlen($0) + 1)) }, flags))
        pthread_mutex_unlock(mutex)
    }

    private func setDeferredFlags() throws(SystemError) {
        for item in flags.reversed() {
            let place = describe(item.node, item.name)
            let directory = try check("openat2", [place]) { openBelow(top.target, item.node.relativePath) }
            defer { _ = Glibc.close(directory) }
            guard let name = item.name else {
                try check("ioctl", [place, "FS_IOC_SETFLAGS"]) { clinux_set_inode_flags(directory, item.flags) }
                continue
            }
            let file = try check("openat", [place]) {
                clinux_openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | clinux_o_noatime, 0)
            }
            defer { _ = Glibc.close(file) }
            try check("ioctl", [place, "FS_IOC_SETFLAGS"]) { clinux_set_inode_flags(file, item.flags) }
        }
    }

    /// The path of an entry in the source, for messages.
    func describe(_ node: TreeNode, _ name: [CChar]?) -> String {
        var bytes = node.relativePath
        if let name {
            if !bytes.isEmpty { bytes.append(CChar(bitPattern: UInt8(ascii: "/"))) }
            bytes += name.prefix { $0 != 0 }
        }
        return path.appending(String(decoding: bytes.map { UInt8(bitPattern: $0) }, as: UTF8.self)).string
    }
}

/// The first copies of files that have several names.
final class LinkTable: @unchecked Sendable {
    struct Key: Hashable {
        let device: UInt64
        let inode: UInt64
    }
    struct Place {
        let node: TreeNode
        let name: [CChar]
        var missing: UInt32
    }
    var places: [Key: Place] = [:]
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

    init() { pthread_mutex_init(mutex, nil) }
    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// One file with several names is copied at a time: whoever meets its second name finds the first one complete.
    func locked<Result, Failure: Error>(_ body: (LinkTable) throws(Failure) -> Result) throws(Failure) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(self)
    }
}
