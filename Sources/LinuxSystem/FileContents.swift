internal import CLinux
internal import Glibc

/// Copies what is in files, with their holes.
struct FileContents {
    typealias Failure = AttributeCopier.Failure

    /// For file systems between which the kernel does not copy.
    private var buffer: [UInt8] = []

    /// From the beginning of `source` to the empty file `target`.
    mutating func copy(
        from source: CInt, to target: CInt, _ status: clinux_status, sharingExtents: Bool
    ) throws(Failure) {
        if sharingExtents {
            let result = shareExtents(source, target)
            if result >= 0 { return }
            let particular = [EINVAL, EXDEV, EOPNOTSUPP, ETXTBSY, EPERM, ENOTTY]
            if !particular.contains(-result) { throw Failure(call: "ioctl FICLONE", result: Int(result)) }
            // This file only: the next one is tried again.
        }
        let size = Int64(clamping: status.size)
        if status.blocks.multipliedReportingOverflow(by: 512).partialValue >= status.size {
            try copyRange(source, target, 0, size)
        } else {
            try copyData(source, target, size)
        }
    }

    /// A file without copy-on-write shares extents only with another such file, and becomes one only while it is empty.
    private func shareExtents(_ source: CInt, _ target: CInt) -> CInt {
        let result = clinux_ficlone(target, source)
        guard result == -EINVAL else { return result }
        var flags: UInt32 = 0
        var own: UInt32 = 0
        guard clinux_get_inode_flags(source, &flags) >= 0, flags & clinux_flag_nocow != 0,
            clinux_get_inode_flags(target, &own) >= 0,
            clinux_set_inode_flags(target, own | clinux_flag_nocow) >= 0
        else { return result }
        return clinux_ficlone(target, source)
    }

    private mutating func copyData(_ source: CInt, _ target: CInt, _ size: Int64) throws(Failure) {
        var offset: Int64 = 0
        while offset < size {
            let start = clinux_seek_data(source, offset)
            if start == -Int64(ENXIO) { break }  // a hole up to the end
            if start < 0 { throw Failure(call: "lseek", result: Int(start)) }
            let end = clinux_seek_hole(source, start)
            if end < 0 { throw Failure(call: "lseek", result: Int(end)) }
            try copyRange(source, target, start, min(end, size))
            offset = end
        }
        let result = clinux_ftruncate(target, size)
        if result < 0 { throw Failure(call: "ftruncate", result: Int(result)) }
    }

    private mutating func copyRange(
        _ source: CInt, _ target: CInt, _ start: Int64, _ end: Int64
    ) throws(Failure) {
        for descriptor in [source, target] where start > 0 || descriptor == source {
            let result = clinux_seek(descriptor, start)
            if result < 0 { throw Failure(call: "lseek", result: Int(result)) }
        }
        var left = end - start
        while left > 0 {
            let count = clinux_copy_file_range(source, target, Int(left))
            if count == 0 { return }  // it was cut short meanwhile
            if count == -Int(EINTR) { continue }
            if count < 0 {
                let unable = [EXDEV, EINVAL, EOPNOTSUPP, ENOSYS, EPERM, ETXTBSY]
                guard unable.contains(CInt(-count)) else { throw Failure(call: "copy_file_range", result: count) }
                return try copyBytes(source, target, left)
            }
            left -= Int64(count)
        }
    }

    private mutating func copyBytes(_ source: CInt, _ target: CInt, _ length: Int64) throws(Failure) {
        if buffer.isEmpty { buffer = [UInt8](repeating: 0, count: 262_144) }
        var left = length
        while left > 0 {
            let wanted = Int(min(left, Int64(buffer.count)))
            let count = buffer.withUnsafeMutableBytes { clinux_read(source, $0.baseAddress, wanted) }
            if count == 0 { return }
            if count == -Int(EINTR) { continue }
            if count < 0 { throw Failure(call: "read", result: count) }
            var written = 0
            while written < count {
                let result = buffer.withUnsafeBytes { bytes in
                    clinux_write(target, bytes.baseAddress.map { $0 + written }, count - written)
                }
                if result == -Int(EINTR) { continue }
                if result < 0 { throw Failure(call: "write", result: result) }
                written += result
            }
            left -= Int64(count)
        }
    }
}
