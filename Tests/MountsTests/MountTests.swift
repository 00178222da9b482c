import Foundation
import LinuxSystem
import Mounts
import SystemPackage
import TestSupport
import Testing

@Test func `separators in paths are escaped`() {
    let layers = OverlayLayers(lower: ["/a:b", "/c"], upper: "/u,1", work: #"/w\"#)
    #expect(
        layers.mountOptions
            == #"lowerdir=/a\:b:/c,upperdir=/u\,1,workdir=/w\\,redirect_dir=off,metacopy=off,index=off"#)
}

@Suite(.needs("mount", "mkfs.ext4"))
struct MountTests {
    @Test func `the mount table shows a mount with an odd name, its type and options`() throws {
        try withVolume(.tmpfs) { volume in
            let name = "a b\tc\\d\nü"
            let place = volume.beside.appending(name)
            try FileManager.default.createDirectory(atPath: place.string, withIntermediateDirectories: false)
            try run("mount", ["-t", "tmpfs", "-o", "nosuid,size=1m", "source", place.string])
            let entry = try #require(try MountTable().mount(at: place))
            #expect(entry.type == "tmpfs")
            #expect(entry.source == "source")
            #expect(entry.options.split(separator: ",").contains("nosuid"))
            #expect(try MountTable().mounts(below: volume.beside).count == 1)
            try Mount.unmount(place)
            try Mount.unmount(place)
            #expect(try MountTable().mount(at: place) == nil)
        }
    }

    @Test func `a mount table that is none is an error with its name`() {
        let error = #expect(throws: SystemError.self) { try MountTable(file: "/proc/self/no-such-file") }
        #expect(error?.errno == .noSuchFileOrDirectory)
        #expect(error?.arguments == ["/proc/self/no-such-file"])
    }

    @Test func `a detached mount shows a tree without what is mounted in it, and its ids mapped`() throws {
        try withVolume(.ext4, megabytes: 64) { volume in
            try shell("mkdir -p t/m; echo under > t/m/file; chown 5:6 t/m/file", in: volume.path.string)
            try run("mount", ["-t", "tmpfs", "over", "\(volume.path)/t/m"])
            let mount = try Mount.clone(Directory(volume.path.appending("t")))
            try Mount.mapIDs(of: mount, into: UserNamespace(.init(base: 700_000)))
            let tree = try Directory(owning: mount, path: "t").directory("m")
            #expect(try tree.status("file").user == 700_005)
            #expect(try tree.status("file").group == 700_006)
            // Root of the host has no id there.
            let error = #expect(throws: SystemError.self) { _ = try tree.create("new") }
            #expect(error?.errno == .overflow)
        }
    }

    /// An older kernel knows only the later ways; each gives the same tree.
    @Test(arguments: Overlay.Way.allCases, [false, true])
    func `an overlay is mounted in each way, with mapped ids in its lower layer`(_ way: Overlay.Way, mapped: Bool) throws {
        try withVolume(.ext4, megabytes: 64) { volume in
            try shell("mkdir lower upper work place; echo old > lower/file", in: volume.path.string)
            let top = try Directory(volume.path)
            let lower = try Mount.clone(top.directory("lower"))
            let base: UInt32 = mapped ? 800_000 : 0
            if mapped {
                try Mount.mapIDs(of: lower, into: UserNamespace(.init(base: base)))
                try top.directory("upper").setOwner(user: base, group: base)
            }
            let mount = try Overlay.mount(
                lower: lower, upper: top.directory("upper"), work: top.directory("work"),
                place: top.directory("place"), isVolatile: true, way: way)
            let merged = try Directory(owning: mount, path: "merged").directory(".", [])
            #expect(try merged.status("file").user == base)
            try FileSystemIdentity.with(user: base, group: base) {
                let file = try merged.create("new")
                try file.descriptor.write(all: "new".utf8)
            }
            #expect(try top.directory("upper").status("new").user == base)
            #expect(try merged.fileSystem().type == .overlay)
            #expect(try MountTable().mounts(below: volume.path).count == 1, "something stayed attached")
        }
    }

    @Test func `a layer that is none is refused with the kernel's reason, and nothing stays`() throws {
        try withVolume(.tmpfs) { volume in
            let top = try Directory(volume.path)
            for name: FilePath.Component in ["lower", "upper", "place"] { try top.makeDirectory(name) }
            for way in Overlay.Way.allCases {
                let lower = try Mount.clone(top.directory("lower"))
                // The work directory lies in the upper one.
                #expect(throws: SystemError.self) {
                    _ = try Overlay.mount(
                        lower: lower, upper: top.directory("upper"), work: top.directory("upper"),
                        place: top.directory("place"), isVolatile: false, way: way)
                }
            }
            #expect(try MountTable().mounts(below: volume.path).count == 1)
        }
    }
}
