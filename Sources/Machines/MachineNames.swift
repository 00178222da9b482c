public import Roots
import LinuxSystem

/// Names of machines that nobody chose.
public enum MachineNames {
    /// The image's name and eight random hexadecimal digits; characters that no host name has become dashes.
    public static func random(for image: Image) throws -> Name {
        let stem = image.name.description.prefix(48).map { $0 == "_" ? "-" : $0 }
        // A host name has no dash before a dot or at the end of a label.
        let labels = String(stem).split(separator: ".").map { $0.split(separator: "-").joined(separator: "-") }
        let base = labels.filter { !$0.isEmpty }.joined(separator: ".")
        return try Name("\(base.isEmpty ? "machine" : base)-\(try RandomBytes.hex(bytes: 4))", of: .machine)
    }
}
