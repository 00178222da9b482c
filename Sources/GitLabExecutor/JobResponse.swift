import FoundationEssentials
import LinuxSystem
public import SystemPackage

/// What is read of the file that the runner writes for each job (`JOB_RESPONSE_FILE`, since 14.1).
///
/// It is what GitLab sent and the only description of the job that the job itself cannot write. Its tokens and
/// variables are not kept.
public struct JobResponse: Decodable, Hashable, Sendable {
    public struct Image: Decodable, Hashable, Sendable {
        public var name: String?
    }

    public struct RunnerInformation: Decodable, Hashable, Sendable {
        /// Time limit of the job, in seconds.
        public var timeout: Int64?
    }

    public struct Repository: Decodable, Hashable, Sendable {
        var url: String?

        private enum CodingKeys: String, CodingKey { case url = "repo_url" }

        /// Host and port of the server; the user information before them has a token.
        public var server: String? {
            guard let url, let scheme = url.firstRange(of: "://") else { return nil }
            let authority = url[scheme.upperBound...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
            let server = authority.split(separator: "@", omittingEmptySubsequences: false).last ?? ""
            return server.isEmpty || server.utf8.count > 300 ? nil : server.lowercased()
        }
    }

    public var id: Int64
    public var repository: Repository?
    public var image: Image?
    public var runnerInformation: RunnerInformation?

    private enum CodingKeys: String, CodingKey {
        case id, image
        case repository = "git_info"
        case runnerInformation = "runner_info"
    }

    /// A job with many variables has a few hundred kilobytes.
    private static let limitBytes = 64 << 20

    /// Reads it from a regular file; no link at its end is followed, a fifo does not block.
    ///
    /// - Throws: ``JobError/unreadableResponse(_:_:)``.
    public init(file path: FilePath) throws {
        let bytes: [UInt8]
        do {
            let file = try Directory.openFile(path, followingLink: false)
            bytes = try file.descriptor.readAll(limit: Self.limitBytes)
        } catch {
            throw JobError.unreadableResponse(path, "\(error.errno)")
        }
        try self.init(bytes, path: path)
    }

    init(_ bytes: [UInt8], path: FilePath) throws {
        do {
            self = try JSONDecoder().decode(JobResponse.self, from: Data(bytes))
        } catch {
            // The decoder's own words may quote the contents, which are secret.
            throw JobError.unreadableResponse(path, "it is not the JSON of a job with an id")
        }
    }
}
