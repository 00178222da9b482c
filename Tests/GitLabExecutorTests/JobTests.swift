import LinuxSystem
import Roots
import SystemPackage
import Testing

@testable import GitLabExecutor

@Suite struct JobTests {
    @Test func `the response file wins over what a job can set`() throws {
        let response = try JobResponse(
            Array(#"{"id": 42, "image": {"name": "debian"}, "runner_info": {"timeout": 3600}, "token": "x", "new": []}"#.utf8),
            path: "r")
        #expect(response.id == 42 && response.image?.name == "debian" && response.runnerInformation?.timeout == 3600)
    }

    @Test(arguments: ["", "{}", "[]", #"{"id": "42"}"#, #"{"id": 1e99}"#, #"{"id": 1, "image": 7}"#, "null", "{\"id\":1", "\u{0}"])
    func `anything else than a job is refused without quoting it`(text: String) {
        #expect { try JobResponse(Array(text.utf8), path: "/r/response.json") } throws: { error in
            "\(error)" == "job response /r/response.json cannot be read: it is not the JSON of a job with an id"
        }
    }

    @Test func `older runners name the job in the environment`() throws {
        let environment = ProcessEnvironment([("CUSTOM_ENV_CI_JOB_ID", "7"), ("CUSTOM_ENV_CI_JOB_IMAGE", "sid")])
        let job = try JobIdentity(id: nil, environment: environment)
        #expect(job.machine.description == "run-7" && job.image == "sid")
    }

    @Test(arguments: ["../..", "", "a/b", "-a", "a-", ".a", "a..b", "a b", "é", "a_b", String(repeating: "1", count: 49)])
    func `an id outside the alphabet is refused`(id: String) {
        #expect(throws: JobError.self) {
            try JobIdentity(id: nil, environment: ProcessEnvironment([("CUSTOM_ENV_CI_JOB_ID", id)]))
        }
    }

    @Test(arguments: [
        (#""https://gitlab-ci-token:secret@Git.example.com:8443/group/project.git""#, "git.example.com:8443"),
        (#""http://[::1]:80/x""#, "[::1]:80"), (#""ssh://git@host/x""#, "host"),
        (#""https://user@evil@host""#, "host"), (#""git@host:group/x""#, nil), (#""https://""#, nil), (#""""#, nil), ("null", nil),
    ])
    func `a server is known by host and port, without the token`(url: String, server: String?) throws {
        let response = try JobResponse(Array(#"{"id": 1, "git_info": {"repo_url": \#(url)}}"#.utf8), path: "r")
        #expect(response.repository?.server == server)
    }

    @Test(arguments: [Int64.max, Int64.min, 0, -1, 3600])
    func `no timeout is too large to count with`(seconds: Int64) throws {
        let environment = ProcessEnvironment([
            ("CUSTOM_ENV_CI_JOB_ID", "7"), ("CUSTOM_ENV_CI_JOB_TIMEOUT", "\(seconds)"),
        ])
        let timeout = try JobIdentity(id: nil, environment: environment).timeout
        #expect(timeout.map { $0 > .zero && $0 <= .seconds(365 * 24 * 60 * 60) } != false)
        #expect((timeout == nil) == (seconds <= 0))
    }

    @Test func `exit codes come from the runner and have its defaults`() {
        let none = ExitCodes(environment: ProcessEnvironment([]))
        #expect(none.buildFailure == 1 && none.systemFailure == 2 && !none.isUnderRunner)
        let set = ExitCodes(
            environment: ProcessEnvironment([("BUILD_FAILURE_EXIT_CODE", "10"), ("SYSTEM_FAILURE_EXIT_CODE", "x")]))
        #expect(set.buildFailure == 10 && set.systemFailure == 2 && set.isUnderRunner)
    }

    @Test func `config prints one object`() throws {
        let json = try DriverConfiguration(version: "1", hostname: "h", jobEnvironment: ["A": "b"]).json()
        #expect(
            json
                == #"{"builds_dir":"/builds","builds_dir_is_shared":false,"cache_dir":"/cache","driver":{"name":"nspawn-runner","version":"1"},"hostname":"h","job_env":{"A":"b"}}"#
        )
    }
}
