internal import CLinux
package import SystemPackage

extension FileDescriptor {
    /// Makes this file share all extents of `source`: a copy in constant time.
    ///
    /// The corresponding request is `FICLONE`.
    ///
    /// - Throws: ``SystemError``: `EOPNOTSUPP` where the file system has no reflink, `EXDEV` across file systems,
    ///   `EINVAL` when one of the files only is exempt from copy-on-write, `ENOSPC`.
    package func shareExtents(of source: FileDescriptor) throws(SystemError) {
        try check("ioctl", ["\(rawValue)", "FICLONE", "\(source.rawValue)"]) {
            clinux_ficlone(rawValue, source.rawValue)
        }
    }
}
