public import LinuxSystem
public import Roots
import SystemPackage

/// What was asked of images and cannot be had.
public enum ImageError: Error, CustomStringConvertible, Sendable {
    case inUse(Name, machines: [String])
    case toolMissing(String)
    case toolFailed(String, String)
    case interrupted(Signal)
    case malformedSuite(String)
    case malformedPackage(String)
    case malformedMirror(String)

    public var description: String {
        switch self {
        case .inUse(let name, let machines):
            "image \(name) is in use by \(machines.joined(separator: ", ")); end those machines first"
        case .toolMissing(let name):
            "\(printable(name)) is not installed; apt-get install \(printable(name))"
        case .toolFailed(let name, let end):
            "\(name) failed with \(end); its messages are above"
        case .interrupted(let signal):
            "stopped by \(signal)"
        case .malformedSuite(let text):
            "suite \"\(printable(text))\" is malformed; use a name such as bookworm"
        case .malformedPackage(let text):
            "package \"\(printable(text))\" is malformed"
        case .malformedMirror(let text):
            "mirror \"\(printable(text))\" is malformed; use an address such as http://mirror.example.org/debian"
        }
    }
}
