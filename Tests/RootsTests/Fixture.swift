import Foundation
import LinuxSystem
import Mounts
import Roots
import SystemPackage
import TestSupport
import Testing

/// A store on a volume with one image `sample` in it.
struct Fixture {
    let volume: Volume
    let store: Store
    let image: Image

    init(_ volume: Volume, subvolume: Bool) throws {
        self.volume = volume
        store = try Store(volume.path.appending("store"), create: true)
        let name = try Name("sample", of: .image)
        let path = store.path.appending("sample")
        if subvolume {
            try run("btrfs", ["-q", "subvolume", "create", path.string])
        } else {
            try FileManager.default.createDirectory(atPath: path.string, withIntermediateDirectories: false)
        }
        try makeSampleTree(at: path, on: volume.kind)
        image = try store.image(named: name)
    }

    /// A machine's directory and what to give a backend.
    func claim(_ id: String, _ method: CloneMethod) throws -> RootRecord {
        let name = try Name(id, of: .machine)
        return RootRecord(id: name, method: method, image: image.path, directory: try store.claim(name))
    }

    /// Calls `body` with a place at which `mount` is attached.
    func attached<Result>(
        _ mount: borrowing OwnedFileDescriptor, _ name: String, _ body: (FilePath) throws -> Result
    ) throws -> Result {
        let place = volume.beside.appending(name)
        try FileManager.default.createDirectory(atPath: place.string, withIntermediateDirectories: true)
        try Mount.attach(mount, at: Directory(place))
        // Lazily: the caller still holds the mount by its descriptor.
        defer { try? Mount.unmount(place, lazily: true) }
        return try body(place)
    }

    /// The image as a machine in `userNamespace` would see it.
    func mountImage(_ userNamespace: borrowing UserNamespace?) throws -> OwnedFileDescriptor {
        let mount = try Mount.clone(Directory(image.path))
        switch userNamespace {
        case .some(let namespace): try Mount.mapIDs(of: mount, into: namespace)
        case .none: break
        }
        return mount
    }
}

/// What rsync, which we did not write, sees as different between two trees; empty if nothing.
func rsyncDifferences(_ source: FilePath, _ target: FilePath) throws -> String {
    try run(
        "rsync",
        ["-aHAXn", "--checksum", "--modify-window=-1", "--itemize-changes", "--delete", "\(source)/", "\(target)/"])
}

let namespaceBase: UInt32 = 0x1234_0000
