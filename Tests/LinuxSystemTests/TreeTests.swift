import Foundation
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite(.needs("mkfs.btrfs", "mkfs.ext4", "chattr", "btrfs", "setfattr", "setfacl", "setcap", "python3"))
struct TreeTests {
    private func noSubvolumes(_ name: FilePath.Component, _ parent: borrowing Directory) throws {
        Issue.record("\(name) is no subvolume")
    }

    @Test(arguments: [VolumeKind.ext4, .tmpfs, .plainXFS])
    func `a copy onto another file system is equal, when the kernel cannot copy between them too`(_ kind: VolumeKind) throws {
        try withVolume(.ext4) { source in
            try withVolume(kind) { target in
                let directory = try Directory(source.path)
                try directory.makeDirectory("tree")
                // tmpfs knows no attributes of users in older kernels.
                try makeSampleTree(at: source.path.appending("tree"), on: .tmpfs)
                try Directory(target.path).makeDirectory("tree")
                let copy = try Directory(target.path.appending("tree"))
                // Sharing is tried and fails for every file.
                try TreeCopier.copy(directory.directory("tree"), into: copy, sharingExtents: true)
                // XFS shows access control lists once more as attributes of its own.
                let rsync = try run(
                    "rsync",
                    [
                        "-aHAXn", "--checksum", "--modify-window=-1", "-i", "--delete", "--filter=-x trusted.SGI_*",
                        "\(source.path)/tree/", "\(target.path)/tree/",
                    ])
                #expect(rsync == "")
            }
        }
    }

    @Test func `flags are kept: immutable, append-only, no dump, no copy-on-write`() throws {
        try withVolume(.btrfs) { volume in
            try shell(
                """
                mkdir -p s/d t; echo a > s/d/immutable; echo b > s/append; echo c > s/nodump; touch s/nocow; chattr +C s/nocow
                head -c 100000 /dev/urandom >> s/nocow; head -c 100000 /dev/urandom > s/after
                chattr +d s/nodump; chattr +a s/append; chattr +i s/d/immutable s/d
                """, in: volume.path.string)
            try TreeCopier.copy(
                Directory(volume.path.appending("s")), into: Directory(volume.path.appending("t")), sharingExtents: true)
            let flags = try ["s", "t"].map { try shell("cd \($0); lsattr -d . * d/*", in: volume.path.string) }
            #expect(flags[0] == flags[1])
            #expect(flags[0].contains("i--") && flags[0].contains("C--"))
            try shell("cmp s/nocow t/nocow", in: volume.path.string)
            // The file without copy-on-write shares its extents too, and did not end the sharing.
            for name in ["nocow", "after"] {
                #expect(try shell("sync -f .; filefrag -v t/\(name)", in: volume.path.string).contains("shared"))
            }
            let top = try Directory(volume.path)
            for name: FilePath.Component in ["s", "t"] {
                try TreeRemover.remove(name, in: top, deleteSubvolume: noSubvolumes)
            }
            #expect(try top.entries() == [])
        }
    }

    @Test(arguments: [VolumeKind.btrfs, .ext4])
    func `a tree of 5000 levels is copied and removed`(_ kind: VolumeKind) throws {
        try withVolume(kind) { volume in
            try run("python3", ["-c", """
                import os, sys
                os.chdir(sys.argv[1]); os.mkdir("s"); os.mkdir("t"); os.chdir("s")
                for i in range(5000):
                    open("f", "w").write(str(i))
                    if i % 50 == 0: os.mkdir("side"); open("side/g", "w").write("g")
                    os.mkdir("directory"); os.chdir("directory")
                """, volume.path.string])
            let top = try Directory(volume.path)
            try TreeCopier.copy(top.directory("s"), into: top.directory("t"), sharingExtents: true)
            #expect(try shell("find s -printf x | wc -c; find t -printf x | wc -c", in: volume.path.string) == "10201\n10201\n")
            for name: FilePath.Component in ["s", "t"] {
                try TreeRemover.remove(name, in: top, deleteSubvolume: noSubvolumes)
            }
            #expect(try top.entries().filter { $0 != "lost+found" } == [])
        }
    }

    @Test func `removal follows no link, and stops at a mount with its name`() throws {
        try withVolume(.ext4, megabytes: 64) { volume in
            try shell(
                "mkdir -p outside tree/a tree/m; echo keep > outside/keep; ln -s ../outside tree/link; ln -s ../../outside tree/a/link",
                in: volume.path.string)
            try run("mount", ["-t", "tmpfs", "over", "\(volume.path)/tree/m"])
            try shell("echo busy > tree/m/file", in: volume.path.string)
            let top = try Directory(volume.path)
            let error = #expect(throws: SystemError.self) {
                try TreeRemover.remove("tree", in: top, deleteSubvolume: noSubvolumes)
            }
            #expect(error?.errno == .resourceBusy)
            #expect(error?.arguments.first == "\(volume.path)/tree/m")
            #expect(try top.directory("tree/m", [.beneath]).status("file").kind == .regular)
            try run("umount", ["\(volume.path)/tree/m"])
            try TreeRemover.remove("tree", in: top, deleteSubvolume: noSubvolumes)
            try TreeRemover.remove("tree", in: top, deleteSubvolume: noSubvolumes)
            #expect(try top.statusIfPresent("tree") == nil)
            #expect(try top.directory("outside").status("keep").kind == .regular)
        }
    }

    @Test func `a directory of 3000 files and 300 directories is emptied`() throws {
        try withVolume(.btrfs) { volume in
            try shell("mkdir tree; cd tree; touch $(seq 3000); mkdir -p d{1..300}/e; touch d{1..300}/e/f", in: volume.path.string)
            let top = try Directory(volume.path)
            try TreeRemover.remove("tree", in: top, deleteSubvolume: noSubvolumes)
            #expect(try top.entries() == [])
        }
    }
}
