public import SystemPackage

/// The name of an image or of a machine: what may stand in a path, a unit's name and a host name without being quoted.
///
/// One ASCII letter or digit, then at most 63 of these, `_`, `.` and `-`, without `..`. Names are checked, never cleaned.
public struct Name: Hashable, Comparable, Sendable, CustomStringConvertible {
    public enum Kind: String, Sendable { case image, machine }

    public let component: FilePath.Component
    public var text: String { component.string }
    public var description: String { text }

    /// - Returns: nil for anything that is no such name.
    public init?(_ text: String) {
        func isPlain(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: false
            }
        }
        let punctuation: [UInt8] = [UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-")]
        guard let first = text.utf8.first, isPlain(first), text.utf8.count <= 64,
            text.utf8.allSatisfy({ isPlain($0) || punctuation.contains($0) }),
            !zip(text.utf8, text.utf8.dropFirst()).contains(where: { $0 == punctuation[1] && $1 == punctuation[1] }),
            let component = FilePath.Component(text)
        else { return nil }
        self.component = component
    }

    /// - Throws: ``RootError/malformedName(_:_:)``.
    public init(_ text: String, of kind: Kind) throws {
        guard let name = Name(text) else { throw RootError.malformedName(kind, text) }
        self = name
    }

    public static func < (left: Name, right: Name) -> Bool {
        left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }
}
