import Foundation
import Testing

extension Integration {
    /// One line that names the object and the next step, the right exit code, nothing left.
    @Suite struct BadInput {
        private func expect(
            _ outcome: Outcome, status: Int32, _ words: String..., location: SourceLocation = #_sourceLocation
        ) {
            #expect(outcome.status == status, "\(outcome.errorText)", sourceLocation: location)
            #expect(outcome.errorText.split(separator: "\n").count == 1, "\(outcome.errorText)", sourceLocation: location)
            for word in words {
                #expect(outcome.errorText.contains(word), "\(outcome.errorText)", sourceLocation: location)
            }
            #expect(outcome.text == "", sourceLocation: location)
        }

        @Test func `a store that is not there, or not safe`() throws {
            let host = try jobHost()
            let path = host.directory + "/volume/other-\(Int.random(in: 0..<Int.max))"
            expect(try host.run("image", "list", "--store", path), status: 2, path, "mkdir")
            try command("mkdir", "-m", "0750", path)
            expect(try host.run("image", "list", "--store", path), status: 2, path, "chmod")
            try command("chmod", "0700", path)
            try command("chown", "65534:65534", path)
            expect(try host.run("image", "list", "--store", path), status: 2, path, "chown")
            try command("chown", "0:0", path)
            #expect(try host.run("image", "list", "--store", path).status == 0)
            try command("rm", "-rf", path)
            try command("touch", path)
            expect(try host.run("image", "list", "--store", path), status: 2, path, "directory")
            expect(try host.run("image", "list", "--store", "relative"), status: 2, "relative")
        }

        @Test func `an image that is no operating system`() throws {
            let host = try jobHost()
            let path = host.store + "/empty"
            try command("mkdir", path)
            defer { _ = try? command("rm", "-rf", path) }
            expect(try host.run("spawn", "empty", "--", "true"), status: 1, path, "os-release")
        }

        @Test func `an image without an init cannot be booted`() throws {
            let host = try jobHost()
            let path = host.store + "/noinit"
            try command("mkdir", "-p", path + "/etc", path + "/usr/bin")
            try command("touch", path + "/etc/os-release")
            defer { _ = try? command("rm", "-rf", path) }
            let job = try StandInJob(host, image: "noinit")
            expect(try job.prepare(), status: 1, "noinit", "install systemd")
        }

        @Test func `no privilege`() throws {
            let host = try jobHost()
            let copy = host.directory + "/nspawn-runner-\(Int.random(in: 0..<Int.max))"
            try command("cp", host.executable, copy)
            try command("chmod", "0755", host.directory)
            let outcome = try command(
                "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copy, "image", "list", mayFail: true)
            expect(outcome, status: 2, "root")
        }

        @Test func `systemd-nspawn is not installed`() throws {
            let host = try jobHost()
            let outcome = try command(
                "unshare", "-m", "sh", "-c",
                "mount --bind /dev/null /usr/bin/systemd-nspawn && PATH=/nonexistent exec \(host.executable) spawn --store \(host.store) debian -- true",
                mayFail: true)
            expect(outcome, status: 2, "systemd-nspawn", "apt-get install systemd-container")
        }

        @Test func `a full disk`() throws {
            let host = try jobHost()
            let directory = host.directory + "/full-\(Int.random(in: 0..<Int.max))"
            try command("mkdir", directory)
            try command("truncate", "-s", "150M", directory + "/disk")
            try command("mkfs.ext4", "-q", directory + "/disk")
            try command("mkdir", directory + "/volume")
            try command("mount", "-o", "loop", directory + "/disk", directory + "/volume")
            defer { _ = try? command("umount", directory + "/volume") }
            let store = directory + "/volume/store"
            let outcome = try host.run("image", "create", "copy", "--from", host.store + "/debian", "--store", store)
            #expect(outcome.status == 2)
            let errors = outcome.errorText.split(separator: "\n").filter { $0.hasPrefix("nspawn-runner:") }
            #expect(errors.count == 1 && errors.first?.contains("No space left") == true, "\(outcome.errorText)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: store + "/.tmp") == [])
            #expect(try host.run("image", "list", "--store", store).text == "")
        }

        @Test func `a method that the file system has not`() throws {
            let host = try jobHost()
            expect(
                try host.run("spawn", "--clone", "snapshot", JobHost.plainImage, "--", "true"), status: 1, "snapshot",
                JobHost.plainImage)
        }

        @Test func `a configuration that is wrong names file, key and line`() throws {
            let host = try jobHost()
            let file = host.directory + "/config-\(Int.random(in: 0..<Int.max)).toml"
            for (text, word) in [
                ("# comment\nstoer = \"/x\"\n", ":2: stoer is unknown"),
                ("private_users = \"yes\"\n", ":1: private_users must be true or false"),
                ("\n\nclone = \"magic\"\n", ":3: clone must be one of"),
                ("store = \n", ":1:"),
                ("timeout_grace_seconds = -1\n", ":1: timeout_grace_seconds must be a whole number"),
            ] {
                try text.write(toFile: file, atomically: false, encoding: .utf8)
                expect(try host.run("gitlab-config", "--config", file), status: 2, file, word)
            }
            try command("chmod", "0666", file)
            expect(try host.run("gitlab-config", "--config", file), status: 2, file, "chmod")
            expect(try host.run("gitlab-config", "--config", file + ".absent"), status: 2, file + ".absent")
        }

        @Test func `a command line that is not understood`() throws {
            let host = try jobHost()
            #expect(try host.run("no-such-verb").status == 64)
            #expect(try host.run("prepare", "--clone", "magic").status == 64)
            #expect(try host.run("prepare", "--engine", "steam").status == 64)
            #expect(try host.run("spawn").status == 64)
        }
    }

    /// Rows B3, N9, N13, N14, N35, N41, N42.
    @Suite struct ImageVerbs {
        @Test func `every directory is an image, and lists tell name and path`() throws {
            let host = try jobHost()
            try command("mkdir", host.store + "/by-hand")
            try command("ln", "-s", "debian", host.store + "/a-link")
            defer { _ = try? command("rm", "-rf", host.store + "/by-hand", host.store + "/a-link") }
            let list = try host.run("chroot-list").text
            #expect(list == (try host.run("image", "list").text))
            #expect(list.contains("by-hand") && list.contains("\(host.store)/by-hand"))
            #expect(!list.contains("a-link") && !list.contains(".machines"))
            let json = try JSONSerialization.jsonObject(with: host.run("image", "list", "--json").output) as? [[String: Any]]
            #expect(json?.contains { $0["name"] as? String == "debian" && $0["subvolume"] as? Bool == true } == true)
        }

        @Test func `an image is made of a directory, as a subvolume, and removed`() throws {
            let host = try jobHost()
            let created = try host.run("image", "create", "copied", "--from", host.store + "/" + JobHost.plainImage)
            #expect(created.status == 0, "\(created.errorText)")
            #expect(try command("stat", "-c", "%i", host.store + "/copied").text == "256\n")
            let again = try host.run("chroot-create", "copied")
            #expect(again.status == 1 && again.errorText.contains("exists"))
            #expect(try host.run("spawn", "copied", "--", "true").status == 0)
            try StandInJob(host, image: "copied").withMachine { _ in
                let refused = try host.run("image", "remove", "copied")
                #expect(refused.status == 1 && refused.errorText.contains("in use"))
            }
            #expect(try host.run("image", "remove", "copied").status == 0)
            #expect(!FileManager.default.fileExists(atPath: host.store + "/copied"))
            #expect(try host.run("image", "remove", "copied").status == 1)
        }

        @Test func `a bootstrap that fails leaves nothing`() throws {
            let host = try jobHost()
            let outcome = try host.run("image", "create", "broken", "--suite", "bookworm", "--mirror", "http://127.0.0.1:1/debian")
            #expect(outcome.status == 2)
            #expect(outcome.errorText.contains("failed with exit code"))
            #expect(!FileManager.default.fileExists(atPath: host.store + "/broken"))
        }

        @Test(arguments: ["..", "a/b", "", "-x", ".x", "a\nb", String(repeating: "x", count: 300), "%i", "$(id)"])
        func `a hostile name is refused`(name: String) throws {
            let host = try jobHost()
            let outcome = try host.run("image", "create", "--from", "/nonexistent", "--", name)
            #expect(outcome.status == 1, "\(outcome.errorText)")
            #expect(outcome.errorText.split(separator: "\n").count == 1)
        }
    }
}
