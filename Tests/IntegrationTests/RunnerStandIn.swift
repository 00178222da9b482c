import Foundation

/// Calls the hooks for one job as GitLab Runner 19 does: environment, files, order, pipes.
final class StandInJob: Sendable {
    let host: JobHost
    let id: Int
    let temporary: String
    private let image: String?
    private let more: [String: String]

    /// Ids that no other test of the run uses.
    private static func newID() -> Int { Int.random(in: 1_000_000..<2_000_000_000) }

    init(_ host: JobHost, image: String? = JobHost.image, timeout: Int = 600, variables: [String: String] = [:]) throws {
        self.host = host
        self.image = image
        id = Self.newID()
        more = variables
        temporary = host.directory + "/job-\(id)"
        try FileManager.default.createDirectory(
            atPath: temporary, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        var response: [String: Any] = [
            "id": id, "token": "secret-token", "runner_info": ["timeout": timeout],
            "job_info": ["name": "test", "stage": "test", "project_id": 7],
            "variables": [["key": "A", "value": "b", "public": true]],
        ]
        if let image { response["image"] = ["name": image] }
        try JSONSerialization.data(withJSONObject: response).write(to: URL(fileURLWithPath: responseFile))
    }

    var responseFile: String { temporary + "/response.json" }
    var exitCodeFile: String { temporary + "/build_exit_code" }
    var machine: String { "run-\(id)" }

    private var environment: [String: String] {
        var variables = [
            "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin",
            "TMPDIR": temporary, "BUILD_FAILURE_EXIT_CODE": "1", "SYSTEM_FAILURE_EXIT_CODE": "2",
            "BUILD_EXIT_CODE_FILE": exitCodeFile, "JOB_RESPONSE_FILE": responseFile,
            // What a job can set, and must not believe in.
            "CUSTOM_ENV_CI_JOB_ID": "x/../../escape", "CUSTOM_ENV_CI_JOB_IMAGE": "../..",
            "RUNNER_SECRET": "of-the-runner",
        ]
        variables.merge(more) { $1 }
        return variables
    }

    func hook(_ arguments: [String]) throws -> RunningProgram { try host.start(arguments, environment: environment) }

    func config() throws -> Outcome { try hook(["gitlab-config"]).wait() }
    func prepare(_ arguments: String...) throws -> Outcome { try hook(["prepare"] + arguments).wait() }
    func cleanup() throws -> Outcome { try hook(["cleanup"]).wait() }

    func startStage(_ commands: String, name: String = "build_script") throws -> RunningProgram {
        let directory = temporary + "/script\(Int.random(in: 0..<Int.max))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let script = directory + "/script"
        try Self.script(commands).write(toFile: script, atomically: false, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: script)
        return try hook(["run", script, name])
    }

    func stage(_ commands: String, name: String = "build_script") throws -> Outcome {
        try startStage(commands, name: name).wait()
    }

    var reportedExitCode: String? { try? String(contentsOfFile: exitCodeFile, encoding: .utf8) }

    /// The shape of the scripts that the runner writes for bash.
    private static func script(_ commands: String) -> String {
        let quoted = commands.unicodeScalars.map { scalar -> String in
            switch scalar {
            case "'": "\\'"
            case "\\": "\\\\"
            case "\n": "\\n"
            default: String(scalar)
            }
        }.joined()
        return """
            #!/usr/bin/env bash

            trap 'exit 1' TERM
            if set -o | grep pipefail > /dev/null; then set -o pipefail; fi; set -o errexit
            set +o noclobber
            (trap 'exit 1' TERM; eval $'\(quoted)\\n') < /dev/null
            exit 0

            """
    }

    /// The whole job with one stage in the middle; the machine is always ended.
    func withMachine(_ arguments: String..., body: (StandInJob) throws -> Void) throws {
        let prepared = try hook(["prepare"] + arguments).wait()
        guard prepared.status == 0 else { throw CommandFailed(arguments: ["prepare"], outcome: prepared) }
        var failure: (any Error)?
        do { try body(self) } catch { failure = error }
        let ended = try cleanup()
        if let failure { throw failure }
        guard ended.status == 0 else { throw CommandFailed(arguments: ["cleanup"], outcome: ended) }
    }
}
