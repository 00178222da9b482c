import FoundationEssentials

/// The JSON that `config_exec` prints (docs.gitlab.com/runner/executors/custom).
public struct DriverConfiguration: Encodable, Hashable, Sendable {
    public struct Driver: Encodable, Hashable, Sendable {
        public var name: String
        public var version: String
    }

    /// Paths inside the machine.
    public var buildsDirectory = "/builds"
    public var cacheDirectory = "/cache"
    /// Every job has a machine of its own, and `/builds` is part of its root.
    public var buildsDirectoryIsShared = false
    public var hostname: String?
    public var driver: Driver
    /// Environment of the later hooks, never of the job.
    public var jobEnvironment: [String: String]

    private enum CodingKeys: String, CodingKey {
        case buildsDirectory = "builds_dir"
        case cacheDirectory = "cache_dir"
        case buildsDirectoryIsShared = "builds_dir_is_shared"
        case hostname, driver
        case jobEnvironment = "job_env"
    }

    public init(version: String, hostname: String?, jobEnvironment: [String: String]) {
        driver = Driver(name: "nspawn-runner", version: version)
        self.hostname = hostname
        self.jobEnvironment = jobEnvironment
    }

    /// One line of JSON.
    public func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}
