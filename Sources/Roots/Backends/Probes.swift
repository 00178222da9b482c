internal import LinuxSystem
internal import Mounts
internal import SystemPackage

/// What an attempt to share the extents of an image with the store has shown.
enum SharingProbe {
    case works
    /// The image lies on another file system than the store.
    case otherFileSystem
    /// The file system has no `FICLONE`, or not as it was made (XFS without reflink).
    case notSupported
}

extension Store {
    /// Shares the extents of one small file of the image, its os-release, with a file in `.tmp`, and removes that.
    func probeSharing(_ tree: borrowing Directory) throws -> SharingProbe {
        guard let source = try openOSRelease(of: tree) else { throw RootError.notAnOperatingSystem(tree.path) }
        let temporary = try temporaryDirectory()
        let name = uniqueName("probe")
        let target = try temporary.create(name)
        defer { try? temporary.removeFile(name) }
        do {
            try target.descriptor.shareExtents(of: source.descriptor)
            return .works
        } catch {
            switch error.errno {
            case .improperLink: return .otherFileSystem
            case .notSupported, .noFunction, .inappropriateIOCTLForDevice: return .notSupported
            // One file cannot be shared, such as one without copy-on-write (NOCOW); others can.
            case .invalidArgument: return .works
            default: throw error
            }
        }
    }

    /// Maps the ids of a mount of `directory` for a moment.
    ///
    /// - Throws: ``RootError/impossible(_:image:fileSystem:reason:advice:)`` when the file system cannot.
    func requireMappableIDs(of directory: borrowing Directory, for image: Image, _ method: CloneMethod) throws {
        let mount = try Mount.clone(directory)
        do {
            try Mount.mapIDs(of: mount, into: UserNamespace(.probe))
        } catch {
            if error.errno != .invalidArgument { throw error }
            let type = try directory.fileSystem().type
            throw RootError.impossible(
                method, image: image.path, fileSystem: type,
                reason: "\(type) of \(printable(directory.path.string)) cannot map ids for a user namespace",
                advice: "use --private-users no, or btrfs, XFS or ext4 with Linux 5.19")
        }
    }
}

extension UserNamespace.IDRange {
    /// A range that no machine gets (systemd-nspawn's end at 0x6fff_0000); nothing is made with it.
    static let probe = Self(base: 0x7000_0000)
}
