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

    public var id: Int64
    public var image: Image?
    public var runnerInformation: RunnerInformation?

    private enum CodingKeys: String, CodingKey {
        case id, image
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
            guard let name = path.lastComponent else { throw JobError.unreadableResponse(path, "it is a directory") }
            let parent = path.removingLastComponent()
            let directory = try Directory(parent.isEmpty ? "." : parent)
            bytes = try directory.contents(FilePath(root: nil, [name]), limit: Self.limitBytes)
        } catch let error as SystemError {
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
