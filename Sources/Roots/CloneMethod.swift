/// How a root is made from an image. The order is that of `auto`: the cheapest first.
public enum CloneMethod: String, CaseIterable, Sendable {
    /// A btrfs snapshot of the image's subvolume: constant.
    case snapshot
    /// An overlay over the image, which stays where it is: constant.
    case overlay
    /// Every file shares its extents with the image's: per file.
    case reflink
    /// Every file is copied: per byte.
    case copy
}
