import Foundation
import LinuxSystem
import Logging
import Mounts
import Roots
import SystemPackage
import TestSupport
import Testing

/// What one file system has and another has not, and what happens when it is missing.
@Suite(.needs("mkfs.btrfs", "mkfs.xfs", "mkfs.ext4", "mount", "setfattr", "setfacl", "setcap", "chattr", "python3"))
struct MethodTests {
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    @Test(arguments: [
        (VolumeKind.btrfs, true, CloneMethod.snapshot), (.btrfs, false, .overlay), (.xfs, false, .overlay),
        (.ext4, false, .overlay), (.tmpfs, false, .overlay),
    ])
    func `auto takes the first method that works and knows why not the others`(
        _ kind: VolumeKind, _ subvolume: Bool, _ expected: CloneMethod
    ) throws {
        try withVolume(kind) { volume in
            let fixture = try Fixture(volume, subvolume: subvolume)
            let choice = try chooseBackend(
                requested: nil, image: fixture.image, store: fixture.store, userNamespace: true, logger: logger)
            #expect(choice.backend.method == expected)
            #expect(choice.reasons.map(\.method) == (expected == .snapshot ? [] : [.snapshot]))
        }
    }

    @Test(arguments: [
        (VolumeKind.ext4, CloneMethod.reflink, "ext4"), (.plainXFS, .reflink, "XFS"), (.tmpfs, .reflink, "tmpfs"),
        (.ext4, .snapshot, "ext4"), (.btrfs, .snapshot, "btrfs"),
    ])
    func `a method asked for by name fails where it is impossible, and says where, why and what to do`(
        _ kind: VolumeKind, _ method: CloneMethod, _ name: String
    ) throws {
        try withVolume(kind) { volume in
            let fixture = try Fixture(volume, subvolume: false)
            let error = #expect(throws: RootError.self) {
                try chooseBackend(
                    requested: method, image: fixture.image, store: fixture.store, userNamespace: false, logger: logger)
            }
            let message = "\(try #require(error))"
            #expect(message.hasPrefix("\(fixture.image.path) is on \(name), cannot clone by \(method.rawValue): "))
            #expect(message.contains("; use --clone "))
            #expect(try Directory(fixture.store.path.appending(".tmp")).entries() == [])
        }
    }

    @Test func `an image on another btrfs than the store is cloned by overlay`() throws {
        try withVolume(.btrfs) { other in
            try withVolume(.btrfs) { volume in
                let store = try Store(volume.path.appending("store"), create: true)
                try run("btrfs", ["-q", "subvolume", "create", "\(other.path)/sample"])
                try makeSampleTree(at: other.path.appending("sample"), on: .btrfs)
                let image = Image(
                    name: try Name("sample", of: .image), path: other.path.appending("sample"), isSubvolume: true,
                    isReadOnly: false)
                let choice = try chooseBackend(
                    requested: nil, image: image, store: store, userNamespace: false, logger: logger)
                #expect(choice.backend.method == .overlay)
                #expect(throws: RootError.self) { try backend(for: .reflink, in: store).check(image, userNamespace: false) }
            }
        }
    }

    @Test(arguments: Overlay.Way.allCases, [false, true])
    func `an overlay root is the same in every way of mounting`(_ way: Overlay.Way, userNamespace: Bool) throws {
        try withVolume(.ext4) { volume in
            let fixture = try Fixture(volume, subvolume: false)
            let backend = OverlayBackend(store: fixture.store, ways: [way])
            let record = try fixture.claim("m1", .overlay)
            try backend.create(record, from: fixture.image)
            let root: OwnedFileDescriptor
            let base: UInt32
            if userNamespace {
                root = try backend.open(record, userNamespace: UserNamespace(.init(base: namespaceBase)))
                base = namespaceBase
            } else {
                root = try backend.open(record, userNamespace: nil)
                base = 0
            }
            let top = try Directory(owning: root, path: "root").directory(".", [])
            #expect(try top.status().user == base)
            #expect(try top.status("setuid").user == base + 33)
            #expect(try top.status("setuid").permissions == 0o6755)
            #expect(try volume.leftovers(except: fixture.store.path) == [])
        }
    }

    /// A reflink copy on a small file system: metadata alone fills it.
    @Test(arguments: [(VolumeKind.ext4, CloneMethod.copy), (.xfs, .copy), (.btrfs, .copy)])
    func `on a full disk the error names the file, and nothing is left`(_ kind: VolumeKind, _ method: CloneMethod) throws {
        try withVolume(kind, megabytes: 320) { volume in
            let fixture = try Fixture(volume, subvolume: false)
            // More than half of the disk, not shared with the copy: another subvolume would share it on btrfs and XFS.
            let outside = try Self.otherTree(beside: volume)
            defer { try? FileManager.default.removeItem(atPath: outside.string) }
            let image = Image(
                name: fixture.image.name, path: outside, isSubvolume: false, isReadOnly: false)
            let record = try fixture.claim("m1", method)
            let error = #expect(throws: SystemError.self) {
                try backend(for: method, in: fixture.store).create(record, from: image)
            }
            #expect(error?.errno == .noSpace)
            #expect(error?.arguments.first?.hasPrefix("\(outside)/") == true)
            #expect(try Directory(record.directory).entries() == [])
        }
    }

    private static func otherTree(beside volume: Volume) throws -> FilePath {
        let path = volume.beside.appending("image")
        try shell(
            "mkdir -p image/etc; echo ID=x > image/etc/os-release; for i in 1 2 3 4 5; do head -c 80M /dev/urandom > image/f$i; done",
            in: volume.beside.string)
        return path
    }
}
