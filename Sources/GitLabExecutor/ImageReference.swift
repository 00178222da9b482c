public import Roots

/// What a job writes after `image:`, and which names of the store it can mean.
///
/// An image of exactly that name is taken. Otherwise it is read as docker does, `[HOST[:PORT]/][GROUP/]NAME[:TAG]`: host
/// and groups are dropped, `NAME:TAG` means the image `NAME-TAG`, and `NAME:latest` also `NAME`. No other tag ever falls
/// back to `NAME`: a job that asks for `debian:13` must not silently get 12. (The original program took `12` for `debian:12`.)
public struct ImageReference: Hashable, Sendable {
    /// In the order in which they are tried.
    public let candidates: [Name]

    /// - Returns: nil for what no image can be called: empty parts, leading dots or dashes, spaces, digests.
    public init?(_ text: String) {
        guard text.utf8.count <= 255 else { return nil }
        if let exact = Name(text) {
            candidates = [exact]
            return
        }
        let path = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let last = path.last, path.dropLast().allSatisfy(Self.isPathComponent) else { return nil }
        let parts = last.split(separator: ":", omittingEmptySubsequences: false)
        guard let name = parts.first.flatMap({ Name(String($0)) }) else { return nil }
        switch parts.count {
        case 1:
            candidates = [name]
        case 2:
            guard Name(String(parts[1])) != nil, let tagged = Name("\(name)-\(parts[1])") else { return nil }
            candidates = parts[1] == "latest" ? [tagged, name] : [tagged]
        default:
            return nil
        }
    }

    /// A host with a port, or a group.
    private static func isPathComponent(_ text: Substring) -> Bool {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 2, let name = parts.first, Name(String(name)) != nil else { return false }
        return parts.count == 1 || UInt16(parts[1]) != nil
    }
}
