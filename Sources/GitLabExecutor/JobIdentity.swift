public import LinuxSystem
public import Roots
import SystemPackage

/// Which job a hook is for, and what the runner says of it.
///
/// From `--id` when it is given, else from `JOB_RESPONSE_FILE`, else (older runners) from `CUSTOM_ENV_CI_JOB_ID`. The
/// last one a job can overwrite, so it is never looked at when the file is named.
public struct JobIdentity: Hashable, Sendable {
    /// Name of the job's machine: `run-` and the id.
    public let machine: Name
    /// What the job calls its image, as GitLab sent it; nil if it names none.
    public let image: String?
    public let timeout: Duration?

    private static let longest = 48

    public init(id explicit: String?, environment: ProcessEnvironment) throws {
        let response = try environment["JOB_RESPONSE_FILE"].flatMap { path in
            path.isEmpty ? nil : try JobResponse(file: FilePath(path))
        }
        if let response {
            machine = try Self.machineName(explicit ?? String(response.id))
            image = response.image?.name.flatMap { $0.isEmpty ? nil : $0 }
            timeout = response.runnerInformation?.timeout.flatMap { $0 > 0 ? .seconds($0) : nil }
        } else {
            guard let id = explicit ?? environment["CUSTOM_ENV_CI_JOB_ID"] else { throw JobError.noIdentity }
            machine = try Self.machineName(id)
            image = environment["CUSTOM_ENV_CI_JOB_IMAGE"].flatMap { $0.isEmpty ? nil : $0 }
            timeout = environment["CUSTOM_ENV_CI_JOB_TIMEOUT"].flatMap { Int64($0) }.flatMap { $0 > 0 ? .seconds($0) : nil }
        }
    }

    /// The id is checked against a closed alphabet, that of host names, never cleaned.
    static func machineName(_ id: String) throws -> Name {
        let isAllowed = id.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        guard isAllowed, id.utf8.count <= longest, let first = id.first, let last = id.last,
            first != "-", first != ".", last != "-", last != ".", !id.contains(".."), let name = Name("run-\(id)")
        else { throw JobError.malformedIdentity(id) }
        return name
    }
}
