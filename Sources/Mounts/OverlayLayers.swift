public import SystemPackage

/// The layers of an overlay and its options, as mount(2) takes them.
public struct OverlayLayers: Hashable, Sendable {
    /// Topmost first; never written.
    public var lower: [FilePath]
    /// Takes all changes. With `work` on one mount, not on another overlay.
    public var upper: FilePath
    /// Empty, for the kernel's own use.
    public var work: FilePath
    /// Nothing is ever synced (Linux 5.10): unmounting takes 0.1 ms, not the time to write the file system of `upper`. Such
    /// layers cannot be mounted again with the same `work`.
    public var isVolatile: Bool

    public init(lower: [FilePath], upper: FilePath, work: FilePath, isVolatile: Bool = false) {
        self.lower = lower
        self.upper = upper
        self.work = work
        self.isVolatile = isVolatile
    }

    /// Said outright, since their defaults are the kernel module's: the upper layer then holds plain files, whiteouts and
    /// opaque directories only, and can be read without an overlay.
    static let plainUpper = [("redirect_dir", "off"), ("metacopy", "off"), ("index", "off")]

    /// Options for mount(2), at most a page (4096 bytes). In paths, `\`, `:` and `,` are escaped.
    public var mountOptions: String {
        var options = [
            "lowerdir=" + lower.map { escaped($0, [":", ",", "\\"]) }.joined(separator: ":"),
            "upperdir=" + escaped(upper, [",", "\\"]), "workdir=" + escaped(work, [",", "\\"]),
        ]
        options += Self.plainUpper.map { "\($0)=\($1)" }
        if isVolatile { options.append("volatile") }
        return options.joined(separator: ",")
    }

    private func escaped(_ path: FilePath, _ special: Set<Character>) -> String {
        path.string.reduce(into: "") { $0 += special.contains($1) ? "\\\($1)" : "\($1)" }
    }
}
