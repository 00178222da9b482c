internal import CLinux

/// File systems that have no device: made by the kernel, seen by nobody until they are attached.
public enum KernelFileSystem {
    /// A detached mount of a file system such as `tmpfs` or `cgroup2`; gone when closed unless it was attached.
    ///
    /// The corresponding system calls are `fsopen`, `fsconfig` and `fsmount` (Linux 5.2). Needs `CAP_SYS_ADMIN`.
    ///
    /// - Throws: ``SystemError``: `ENODEV` if the kernel does not know the type.
    public static func mount(_ type: String) throws(SystemError) -> OwnedFileDescriptor {
        let context = OwnedFileDescriptor(owning: try check("fsopen", [type]) { clinux_fsopen(type) })
        try check("fsconfig", [type, "FSCONFIG_CMD_CREATE"]) { clinux_fsconfig_create(context.rawValue) }
        return OwnedFileDescriptor(owning: try check("fsmount", [type]) { clinux_fsmount(context.rawValue, 0) })
    }
}
