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
    /// Host and port of the job's GitLab, since two servers may have a job of the same id; empty if the response does not
    /// tell, nil without a response.
    public let server: String?

    private static let longest = 48
    /// Longer than any job; the machine ends by itself after the timeout.
    private static let longestTimeoutSeconds: Int64 = 365 * 24 * 60 * 60

    public init(id explicit: String?, environment: ProcessEnvironment) throws {
        let response = try environment["JOB_RESPONSE_FILE"].flatMap { path in
            path.isEmpty ? nil : try JobResponse(file: FilePath(path))
        }
        if let response {
            machine = try Self.machineName(explicit ?? String(response.id))
            image = response.image?.name.flatMap { $0.isEmpty ? nil : $0 }
            timeout = Self.timeout(response.runnerInformation?.timeout)
            server = response.repository?.server ?? ""
        } else {
            guard let id = explicit ?? environment["CUSTOM_ENV_CI_JOB_ID"] else { throw JobError.noIdentity }
            machine = try Self.machineName(id)
            image = environment["CUSTOM_ENV_CI_JOB_IMAGE"].flatMap { $0.isEmpty ? nil : $0 }
            timeout = Self.timeout(environment["CUSTOM_ENV_CI_JOB_TIMEOUT"].flatMap { Int64($0) })
            server = nil
        }
    }

    private static func timeout(_ seconds: Int64?) -> Duration? {
        seconds.flatMap { $0 > 0 ? .seconds(min($0, longestTimeoutSeconds)) : nil }
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
        let labels = id.split(separator: ".", omittingEmptySubsequences: false)
        guard isAllowed, id.utf8.count <= longest, labels.allSatisfy({ !$0.isEmpty && $0.first != "-" && $0.last != "-" }),
            let name = Name("run-\(id)")
        else { throw JobError.malformedIdentity(id) }
        return name
    }
}
