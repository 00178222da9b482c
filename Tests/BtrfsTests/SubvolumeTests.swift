import Btrfs
import Foundation
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite(.needs("mkfs.btrfs", "btrfs"))
struct SubvolumeTests {
    @Test func `a subvolume is made once, and known as one by the tool of btrfs too`() throws {
        try withVolume(.btrfs) { volume in
            let top = try Directory(volume.path)
            try Subvolume.create("a", in: top)
            #expect(try run("btrfs", ["subvolume", "show", "\(volume.path)/a"]).contains("Subvolume ID"))
            #expect(try Subvolume.isSubvolume(top.directory("a")))
            try top.makeDirectory("plain")
            #expect(try !Subvolume.isSubvolume(top.directory("plain")))
            let error = #expect(throws: BtrfsError.self) { try Subvolume.create("a", in: top) }
            #expect(error?.code == .createFailed)
            #expect(error?.errno == .fileExists)
            #expect("\(try #require(error))".contains("\(volume.path)/a"))
            try Subvolume.delete("a", in: top)
            try Subvolume.delete("a", in: top)
            #expect(try top.entries() == ["plain"])
        }
    }

    @Test func `a snapshot knows its origin, and a read-only one refuses changes`() throws {
        try withVolume(.btrfs) { volume in
            let top = try Directory(volume.path)
            try Subvolume.create("a", in: top)
            let source = try top.directory("a")
            try shell("echo one > file", in: source.path.string)
            try Subvolume.snapshot(source, as: "b", in: top, readOnly: true)
            let snapshot = try top.directory("b")
            #expect(try Subvolume.isReadOnly(snapshot))
            #expect(try Subvolume.info(of: snapshot).parentUUID == Subvolume.info(of: source).uuid)
            #expect(throws: SystemError.self) { _ = try snapshot.create("new") }
            try Subvolume.setReadOnly(false, of: snapshot)
            _ = try snapshot.create("new")
            #expect(try source.statusIfPresent("new") == nil)
            try Subvolume.sync(top)
        }
    }

    @Test func `nested subvolumes are listed, snapshotted with their parent, and deleted with it though read-only`() throws {
        try withVolume(.btrfs) { volume in
            let top = try Directory(volume.path)
            try shell(
                """
                btrfs -q subvolume create a; mkdir a/d; btrfs -q subvolume create a/d/n; echo x > a/d/n/x
                btrfs -q subvolume create a/d/n/m; echo y > a/d/n/m/y
                """, in: volume.path.string)
            #expect(try Subvolume.nestedSubvolumes(of: top.directory("a")).map(\.path) == ["d/n", "d/n/m"])
            try Subvolume.snapshot(top.directory("a"), as: "b", in: top)
            #expect(try top.directory("b/d/n/m").status("y").kind == .regular)
            try shell(
                "for s in b/d/n/m b/d/n b; do btrfs property set -ts $s ro true; done", in: volume.path.string)
            try Subvolume.delete("b", in: top)
            #expect(try top.statusIfPresent("b") == nil)
            #expect(try top.directory("a/d/n").status("x").kind == .regular)
        }
    }

    @Test func `on another file system the error says so and names the path`() throws {
        try withVolume(.tmpfs) { volume in
            let top = try Directory(volume.path)
            #expect(try !Subvolume.isSubvolume(top))
            let error = #expect(throws: BtrfsError.self) { try Subvolume.create("a", in: top) }
            #expect("\(try #require(error))".hasPrefix("create subvolume \(volume.path)/a: "))
            let snapshot = #expect(throws: BtrfsError.self) { try Subvolume.snapshot(top, as: "b", in: top) }
            #expect(snapshot?.errno == .inappropriateIOCTLForDevice)
        }
    }
}
