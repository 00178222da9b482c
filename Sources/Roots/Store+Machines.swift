public import LinuxSystem
public import SystemPackage

extension Store {
    /// The directory of all machines.
    public var machinesPath: FilePath { path.appending(Self.machines) }

    /// Where a machine is kept, whether there is one or not.
    public func machinePath(_ id: Name) -> FilePath { machinesPath.appending(id.component) }

    /// Takes `id` for a new machine by making its directory; only one caller succeeds.
    ///
    /// On btrfs it is a subvolume: snapshots into different directories then share a commit of the file system, and
    /// deleting the machine needs no walk.
    ///
    /// - Returns: The directory, mode 0700, empty.
    /// - Throws: ``RootError/machineExists(_:)``.
    public func claim(_ id: Name) throws -> FilePath {
        do {
            try makeSubvolumeOrDirectory(id.component, in: try machines(), permissions: 0o700)
        } catch {
            if isExisting(error) { throw RootError.machineExists(id) }
            throw error
        }
        return machinePath(id)
    }

    /// The directory of a machine, opened; nil if there is none.
    public func machineDirectory(_ id: Name) throws -> Directory? {
        do {
            return try machines().directory(FilePath(root: nil, [id.component]))
        } catch {
            if let error = error as? SystemError, error.errno == .noSuchFileOrDirectory { return nil }
            throw error
        }
    }

    /// Removes a machine's directory with all that is in it. Removing what is absent succeeds.
    ///
    /// - Throws: ``RootError/stillMounted(_:mounts:)``.
    public func removeMachineDirectory(_ id: Name) throws { try removeTree(id.component, in: try machines()) }

    /// All machines that have a directory, sorted.
    public func machineIDs() throws -> [Name] { try machines().entries().compactMap { Name($0.string) }.sorted() }

    func machines() throws -> Directory { try directory.directory(FilePath(root: nil, [Self.machines])) }
}
