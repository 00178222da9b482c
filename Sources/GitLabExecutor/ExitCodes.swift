public import LinuxSystem
public import SystemPackage

/// What the runner wants to be told by exit codes, from its environment.
public struct ExitCodes: Hashable, Sendable {
    /// The job's own fault: `BUILD_FAILURE_EXIT_CODE`, 1.
    public let buildFailure: Int32
    /// The host's fault: `SYSTEM_FAILURE_EXIT_CODE`, 2.
    public let systemFailure: Int32
    /// Where the script's own exit code goes (`BUILD_EXIT_CODE_FILE`, since 17.9).
    public let buildExitCodeFile: FilePath?

    /// Whether gitlab-runner calls, and not a person.
    public let isUnderRunner: Bool

    public init(environment: ProcessEnvironment) {
        isUnderRunner = environment["BUILD_FAILURE_EXIT_CODE"] != nil
        buildFailure = Self.code(environment["BUILD_FAILURE_EXIT_CODE"]) ?? 1
        systemFailure = Self.code(environment["SYSTEM_FAILURE_EXIT_CODE"]) ?? 2
        buildExitCodeFile = environment["BUILD_EXIT_CODE_FILE"].flatMap { $0.isEmpty ? nil : FilePath($0) }
    }

    private static func code(_ text: String?) -> Int32? {
        text.flatMap { Int32($0) }.flatMap { (1...255).contains($0) ? $0 : nil }
    }

    /// Writes the exit code of the job's script to where the runner looks for it. The file is one for the whole job and nobody
    /// empties it, so every failing stage writes; its first line is all that is read.
    ///
    /// - Throws: ``SystemError``.
    public func report(scriptExitCode code: Int32) throws {
        guard let path = buildExitCodeFile, let name = path.lastComponent, name.kind == .regular else { return }
        let parent = path.removingLastComponent()
        try Directory(parent.isEmpty ? "." : parent).replaceFile(name, with: Array("\(code)\n".utf8), mode: 0o644, durable: false)
    }
}
