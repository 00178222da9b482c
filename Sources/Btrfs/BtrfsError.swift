internal import CBtrfsUtil
internal import LinuxSystem
public import SystemPackage

/// What libbtrfsutil could not do: a code to act on, what was tried on what, and why.
public struct BtrfsError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What failed, as `enum btrfs_util_error` numbers it.
    public struct Code: RawRepresentable, Hashable, Sendable {
        public let rawValue: Int32
        public init(rawValue: Int32) { self.rawValue = rawValue }
        private init(_ code: btrfs_util_error) { rawValue = Int32(truncatingIfNeeded: code.rawValue) }

        public static let stopIteration = Self(BTRFS_UTIL_ERROR_STOP_ITERATION)
        public static let noMemory = Self(BTRFS_UTIL_ERROR_NO_MEMORY)
        public static let invalidArgument = Self(BTRFS_UTIL_ERROR_INVALID_ARGUMENT)
        public static let notBtrfs = Self(BTRFS_UTIL_ERROR_NOT_BTRFS)
        public static let notSubvolume = Self(BTRFS_UTIL_ERROR_NOT_SUBVOLUME)
        public static let subvolumeNotFound = Self(BTRFS_UTIL_ERROR_SUBVOLUME_NOT_FOUND)
        public static let openFailed = Self(BTRFS_UTIL_ERROR_OPEN_FAILED)
        public static let searchFailed = Self(BTRFS_UTIL_ERROR_SEARCH_FAILED)
        public static let createFailed = Self(BTRFS_UTIL_ERROR_SUBVOL_CREATE_FAILED)
        public static let snapshotFailed = Self(BTRFS_UTIL_ERROR_SNAP_CREATE_FAILED)
        public static let deleteFailed = Self(BTRFS_UTIL_ERROR_SNAP_DESTROY_FAILED)
        public static let setFlagsFailed = Self(BTRFS_UTIL_ERROR_SUBVOL_SETFLAGS_FAILED)
        public static let syncFailed = Self(BTRFS_UTIL_ERROR_SYNC_FAILED)
    }

    public let code: Code
    /// Verb and object in one: `create subvolume`.
    public let operation: String
    public let path: FilePath
    /// The library's own words for `code`.
    public let message: String
    public let errno: Errno

    init(_ operation: String, _ path: FilePath, _ result: cbtrfsutil_result) {
        code = Code(rawValue: result.code)
        self.operation = operation
        self.path = path
        let code = btrfs_util_error(rawValue: .init(truncatingIfNeeded: result.code))
        message = btrfs_util_strerror(code).map { String(cString: $0) } ?? "error \(result.code)"
        errno = Errno(rawValue: result.error)
    }

    public var description: String { "\(operation) \(printable(path.string)): \(message): \(errno)" }
}

/// Turns the answer of a shim into an error; asks again after a signal.
func check(
    _ operation: String, _ path: @autoclosure () -> FilePath, _ body: () -> cbtrfsutil_result
) throws(BtrfsError) {
    while true {
        let result = body()
        if result.code == 0 { return }
        if Errno(rawValue: result.error) == .interrupted { continue }
        throw BtrfsError(operation, path(), result)
    }
}
