public import LinuxSystem
public import SystemPackage

/// What was asked of a store and cannot be had. Each message is one line, and says what to type next if a person can act.
public enum RootError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was given where a name of this kind is wanted.
    case malformedName(Name.Kind, String)
    case noStore(FilePath)
    case storeNotDirectory(FilePath)
    /// Somebody else than root could reach what is inside: a setuid file that a job made would make them root.
    case storeUnsafe(FilePath, reason: String, command: String)
    /// Only root can use a store.
    case notPermitted(FilePath)
    case unknownImage(Name, known: [Name], store: FilePath)
    case notAnOperatingSystem(FilePath)
    case imageExists(Name)
    case machineExists(Name)
    /// A method that was asked for by name cannot work here.
    case impossible(CloneMethod, image: FilePath, fileSystem: FileSystemType, reason: String, advice: String)
    /// `auto` found no way.
    case noMethod(image: FilePath, reasons: [String])
    /// It cannot be removed while something is mounted in it.
    case stillMounted(FilePath, mounts: [FilePath])

    /// Whether the caller asked for something wrong; otherwise the host is not as it must be.
    public var isMistake: Bool {
        switch self {
        case .malformedName, .unknownImage, .notAnOperatingSystem, .imageExists, .impossible, .notPermitted: true
        case .noStore, .storeNotDirectory, .storeUnsafe, .machineExists, .noMethod, .stillMounted: false
        }
    }

    public var description: String {
        switch self {
        case .malformedName(let kind, let text):
            "malformed name of \(kind.rawValue): \"\(shortened(text))\"; use letters, digits, \"_\", \".\" and \"-\","
                + " at most 64, beginning with a letter or digit, without \"..\""
        case .noStore(let path):
            "store \(printable(path.string)) does not exist; make one: mkdir -m 0700 \(quoted(path))"
        case .storeNotDirectory(let path):
            "store \(printable(path.string)) is not a directory; choose another with --store"
        case .storeUnsafe(let path, let reason, let command):
            "store \(printable(path.string)) \(reason); type: \(command) \(quoted(path))"
        case .notPermitted(let path):
            "store \(printable(path.string)) cannot be opened: permission denied; run as root"
        case .unknownImage(let name, let known, let store):
            known.isEmpty
                ? "unknown image \(name): there are no images in \(printable(store.string));"
                    + " make one: nspawn-runner image create \(name)"
                : "unknown image \(name); known in \(printable(store.string)): \(known.map(\.text).joined(separator: ", "))"
        case .notAnOperatingSystem(let path):
            "\(printable(path.string)) is no operating system tree: it has neither etc/os-release nor usr/lib/os-release;"
                + " make an image: nspawn-runner image create NAME"
        case .imageExists(let name):
            "image \(name) exists; choose another name or remove it: nspawn-runner image remove \(name)"
        case .machineExists(let name):
            "machine \(name) exists; remove it: nspawn-runner cleanup --id \(name)"
        case .impossible(let method, let image, let fileSystem, let reason, let advice):
            "\(printable(image.string)) is on \(fileSystem), cannot clone by \(method.rawValue): \(reason); \(advice)"
        case .noMethod(let image, let reasons):
            "no way to clone \(printable(image.string)): \(reasons.joined(separator: "; "))"
        case .stillMounted(let path, let mounts):
            "\(printable(path.string)) cannot be removed while this is mounted: "
                + "\(mounts.map { printable($0.string) }.joined(separator: ", ")); type: umount \(mounts.first.map(quoted) ?? "")"
        }
    }

    private func shortened(_ text: String) -> String {
        let escaped = printable(text)
        return escaped.count <= 80 ? escaped : escaped.prefix(80) + "…"
    }

    /// As an argument for a shell.
    private func quoted(_ path: FilePath) -> String {
        let plain = path.string.allSatisfy { ($0.isASCII && ($0.isLetter || $0.isNumber)) || "/_.-+".contains($0) }
        let parts = printable(path.string).split(separator: "'", omittingEmptySubsequences: false)
        return plain ? path.string : "'" + parts.joined(separator: #"'\''"#) + "'"
    }
}
