import LinuxSystem
import Roots
import SystemPackage

/// What a machine can do with an image, looked up below its directory as in a chroot: links of the image lead nowhere else.
enum ImageContents {
    private static let initPrograms: [FilePath] = ["lib/systemd/systemd", "usr/lib/systemd/systemd", "sbin/init"]
    private static let shells: [FilePath] = ["bin/bash", "usr/bin/bash", "bin/sh", "usr/bin/sh"]

    static func hasInit(_ image: Image) throws -> Bool {
        let root = try Directory(image.path)
        return initPrograms.contains { (try? root.file($0, .inRoot)) != nil }
    }

    /// The shell for scripts: bash, else sh. An image without either still has `/bin/sh` as its name.
    static func shell(_ image: Image) throws -> String {
        let root = try Directory(image.path)
        let found = shells.first { (try? root.file($0, .inRoot)) != nil }
        return "/" + (found?.string ?? "bin/sh")
    }
}
