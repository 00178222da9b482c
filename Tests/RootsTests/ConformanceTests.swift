import Foundation
import LinuxSystem
import Mounts
import Roots
import SystemPackage
import TestSupport
import Testing

/// A method on a file system that has it, with or without a user namespace.
struct Way: Sendable, CustomTestStringConvertible {
    let method: CloneMethod
    let kind: VolumeKind
    let userNamespace: Bool
    var testDescription: String { "\(method.rawValue) on \(kind.rawValue)\(userNamespace ? " with a user namespace" : "")" }

    static let all: [Way] = CloneMethod.allCases.flatMap { method in
        [VolumeKind.btrfs, .xfs, .ext4].filter { kind in
            switch method {
            case .snapshot: kind == .btrfs
            case .reflink: kind != .ext4
            case .overlay, .copy: true
            }
        }.flatMap { kind in [false, true].map { Way(method: method, kind: kind, userNamespace: $0) } }
    }
}

/// One suite for all clone methods, read through the `open` that machines use.
@Suite(.needs("mkfs.btrfs", "mkfs.xfs", "mkfs.ext4", "rsync", "setfacl", "setfattr", "setcap", "chattr", "python3"))
struct ConformanceTests {
    @Test(arguments: Way.all)
    func `a root has all that the image has, and what is written to it stays out of the image`(_ way: Way) throws {
        try withVolume(way.kind) { volume in
            let fixture = try Fixture(volume, subvolume: way.method == .snapshot)
            let before = try TreeDigest(fixture.image.path)
            let backend = backend(for: way.method, in: fixture.store)
            try backend.check(fixture.image, userNamespace: way.userNamespace)
            let record = try fixture.claim("m1", way.method)
            try backend.create(record, from: fixture.image)
            if way.userNamespace {
                try compare(fixture, backend, record, try UserNamespace(.init(base: namespaceBase)), owner: namespaceBase)
            } else {
                try compare(fixture, backend, record, nil, owner: 0)
            }
            #expect(before.difference(to: try TreeDigest(fixture.image.path)) == [], "the image has changed")
            try backend.remove(record)
            try backend.remove(record)
            #expect(try Directory(record.directory).entries() == [])
            try fixture.store.removeMachineDirectory(record.id)
            try fixture.store.removeMachineDirectory(record.id)
            #expect(try fixture.store.machineIDs() == [])
            #expect(try Directory(fixture.store.path.appending(".tmp")).entries() == [], "a probe was left")
            #expect(try volume.leftovers(except: fixture.store.path) == [])
        }
    }

    private func compare(
        _ fixture: Fixture, _ backend: any RootBackend, _ record: RootRecord,
        _ userNamespace: borrowing UserNamespace?, owner: UInt32
    ) throws {
        try fixture.attached(backend.open(record, userNamespace: userNamespace), "root") { root in
            try fixture.attached(fixture.mountImage(userNamespace), "image") { image in
                let expected = try TreeDigest(image)
                #expect(expected.entries.count > 90)
                #expect(expected.difference(to: try TreeDigest(root)) == [])
                #expect(try rsyncDifferences(image, root) == "")
            }
            try FileSystemIdentity.with(user: owner, group: owner) { try change(Directory(root)) }
        }
        // Once more: what was written stays, as when a machine is started again.
        try fixture.attached(backend.open(record, userNamespace: userNamespace), "root") { root in
            let top = try Directory(root)
            #expect(try top.contents("new", limit: 100) == Array("new".utf8))
            #expect(try top.status("new").user == owner)
            #expect(try top.status("new").group == owner)
            #expect(try top.contents("plain", limit: 100) == Array("changed".utf8))
            #expect(try top.statusIfPresent("tiny") == nil)
            #expect(try top.directory("a/moved").entries().count == 41)
            #expect(try top.status().permissions == 0o711)
        }
    }

    /// What a job does to its root.
    private func change(_ root: borrowing Directory) throws {
        let file = try root.create("new")
        try file.descriptor.write(all: "new".utf8)
        try root.replaceFile("plain", with: Array("changed".utf8), mode: 0o644, durable: false)
        try root.removeFile("tiny")
        let directory = try root.directory("a")
        try directory.makeDirectory("moved")
        let source = try root.directory("a/b")
        let target = try root.directory("a/moved")
        for name in try source.entries() where name != "c" { try source.rename(name, to: name, in: target) }
        try root.setPermissions(0o711)
    }
}
