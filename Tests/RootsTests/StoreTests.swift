import Foundation
import LinuxSystem
import Roots
import SystemPackage
import TestSupport
import Testing

struct NameTests {
    @Test(arguments: ["debian", "a", "0", "Debian-12.5_x", String(repeating: "n", count: 64)])
    func `a name of the alphabet is taken`(_ text: String) throws {
        #expect(try Name(text, of: .image).text == text)
    }

    @Test(arguments: [
        "", ".", "..", "a/b", "-a", ".a", "_a", "a..b", "a\nb", "%i", "a%i", "$(id)", "a b", "ü", "a\u{0}b", "a:b", "/",
        String(repeating: "n", count: 65), String(repeating: "n", count: 300), "../../etc", "a\u{301}",
    ])
    func `any other is refused in one line`(_ text: String) throws {
        #expect(Name(text) == nil)
        let error = #expect(throws: RootError.self) { try Name(text, of: .machine) }
        let message = "\(try #require(error))"
        #expect(message.hasPrefix("malformed name of machine: "))
        #expect(!message.contains("\n") && message.count < 300)
        #expect(error?.isMistake == true)
    }
}

@Suite(.needs("mkfs.btrfs", "mkfs.ext4", "mount"))
struct StoreTests {
    @Test(arguments: [VolumeKind.btrfs, .tmpfs])
    func `a store is made with all that it needs, closed to others, and opened again`(_ kind: VolumeKind) throws {
        try withVolume(kind) { volume in
            let path = volume.path.appending("store")
            let missing = #expect(throws: RootError.self) { try Store(path, create: false) }
            #expect(missing == .noStore(path))
            _ = try Store(path, create: true)
            let store = try Store(path, create: false)
            let top = try Directory(path)
            #expect(try top.status().permissions == 0o700)
            #expect(try top.entries() == [".build", ".cache", ".machines", ".tmp", ".versions"])
            for name in try top.entries() { #expect(try top.status(name).permissions == 0o700) }
            #expect(try (top.status(".machines").inode == 256) == (kind == .btrfs))
            #expect(try store.images() == [])
        }
    }

    @Test func `a store that others can reach or that is none is refused with the command to type`() throws {
        try withVolume(.tmpfs) { volume in
            let path = volume.path.appending("it's a store")
            _ = try Store(path, create: true)
            func message() throws -> String {
                let error = #expect(throws: RootError.self) { try Store(path, create: true) }
                return "\(try #require(error))"
            }
            let top = try Directory(path)
            try top.setPermissions(0o750)
            #expect(try message() == "store \(path) has mode 0750, open to others; type: chmod 0700 '\(volume.path)/it'\\''s a store'")
            try top.setPermissions(0o700)
            try top.setOwner(user: 1, group: 0)
            #expect(try message().contains("belongs to 1:0, not to root; type: chown root:root"))
            let file = volume.path.appending("file")
            try shell("echo x > file", in: volume.path.string)
            let error = #expect(throws: RootError.self) { try Store(file, create: true) }
            #expect(error == .storeNotDirectory(file))
        }
    }

    @Test func `images are the directories that can be named; links, files and hidden ones are not`() throws {
        try withVolume(.tmpfs) { volume in
            let store = try Store(volume.path.appending("store"), create: true)
            try shell(
                """
                mkdir b a empty .hidden 'odd name'; mkdir -p a/etc b/usr/lib; echo x > file; ln -s a link
                echo ID=a > a/etc/os-release; ln -s /usr/lib/os-release b/etc; mkdir b/x; mkdir -p outside/etc
                rm b/etc; mkdir b/etc; ln -s /usr/lib/os-release b/etc/os-release; echo ID=b > b/usr/lib/os-release
                ln -s ../../../../../../../../../etc/hostname empty/etc; mkdir -p leave/etc; ln -s ../../../../../../etc/passwd leave/etc/os-release
                """, in: store.path.string)
            #expect(try store.images().map(\.name.text) == ["a", "b", "empty", "leave", "outside"])
            #expect(try store.image(named: Name("a", of: .image)).path == store.path.appending("a"))
            // An absolute link is one below the image.
            #expect(try store.image(named: Name("b", of: .image)).isSubvolume == false)
            for name in ["empty", "leave"] {
                let error = #expect(throws: RootError.self) { try store.image(named: Name(name, of: .image)) }
                #expect(error == .notAnOperatingSystem(store.path.appending(name)))
            }
            let error = #expect(throws: RootError.self) { try store.image(named: Name("nope", of: .image)) }
            #expect("\(try #require(error))".hasSuffix("known in \(store.path): a, b, empty, leave, outside"))
            try store.removeImage(Name("a", of: .image))
            try store.removeImage(Name("a", of: .image))
            #expect(try store.images().count == 4)
        }
    }

    @Test(arguments: [VolumeKind.btrfs, .tmpfs])
    func `an image is published in one step, and a taken name keeps what was made`(_ kind: VolumeKind) throws {
        try withVolume(kind) { volume in
            let store = try Store(volume.path.appending("store"), create: true)
            let name = try Name("new", of: .image)
            for round in 1...2 {
                let temporary = try store.makeTemporary(prefix: name)
                try shell("mkdir etc; echo ID=\(round) > etc/os-release", in: temporary.string)
                try store.verifyOperatingSystem(temporary)
                if round == 1 {
                    try store.publish(temporary, as: name)
                } else {
                    let error = #expect(throws: RootError.self) { try store.publish(temporary, as: name) }
                    #expect(error == .imageExists(name))
                    try store.removeTemporary(temporary)
                    try store.removeTemporary(temporary)
                }
            }
            #expect(try store.image(named: name).isSubvolume == (kind == .btrfs))
            #expect(try Directory(store.path).contents("new/etc/os-release", limit: 10) == Array("ID=1\n".utf8))
            #expect(try Directory(store.path.appending(".tmp")).entries() == [])
        }
    }

    @Test(arguments: [VolumeKind.btrfs, .tmpfs])
    func `a machine's name is taken by one of many`(_ kind: VolumeKind) async throws {
        try withVolume(kind) { volume in
            let store = try Store(volume.path.appending("store"), create: true)
            let id = try Name("run-1", of: .machine)
            let winners = UnsafeMutableBufferPointer<Bool>.allocate(capacity: 8)
            winners.initialize(repeating: false)
            defer { winners.deallocate() }
            nonisolated(unsafe) let results = winners
            DispatchQueue.concurrentPerform(iterations: 8) { index in
                results[index] = (try? store.claim(id)) != nil
            }
            #expect(winners.filter { $0 }.count == 1)
            let error = #expect(throws: RootError.self) { try store.claim(id) }
            #expect(error == .machineExists(id))
            #expect(try store.machineIDs() == [id])
            try store.removeMachineDirectory(id)
            #expect(try store.machineDirectory(id) == nil)
        }
    }

    @Test(arguments: [VolumeKind.btrfs, .tmpfs])
    func `a machine in which something is mounted is not removed, and the error names the mount`(_ kind: VolumeKind) throws {
        try withVolume(kind) { volume in
            let store = try Store(volume.path.appending("store"), create: true)
            let id = try Name("m1", of: .machine)
            let directory = try store.claim(id)
            try shell("mkdir -p root/m; mount -t tmpfs busy root/m; echo keep > root/m/file", in: directory.string)
            do {
                try store.removeMachineDirectory(id)
                // btrfs deletes a subvolume with what is mounted in it, like a directory removed elsewhere.
                #expect(kind == .btrfs)
            } catch {
                #expect(error as? RootError == .stillMounted(directory, mounts: [directory.appending("root/m")]))
                #expect(try Directory(directory.appending("root/m")).status("file").kind == .regular)
                try run("umount", ["\(directory)/root/m"])
                try store.removeMachineDirectory(id)
            }
            #expect(try store.machineIDs() == [])
        }
    }
}
