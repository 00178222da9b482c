/// What goes into gitlab-runner's config.toml to use this program.
public enum RunnerSnippet {
    /// - Parameter executable: Absolute path of this program.
    public static func toml(executable: String, arguments: [String] = []) -> String {
        func list(_ verb: String, _ more: [String] = []) -> String {
            "[" + ([verb] + arguments + more).map(quoted).joined(separator: ", ") + "]"
        }
        return """
            [[runners]]
              name = "nspawn-runner"
              url = "https://gitlab.example.com/"  # address of your GitLab
              token = "REPLACE-ME"                 # from «gitlab-runner register», or the runner's page in GitLab
              executor = "custom"
              builds_dir = "/builds"
              cache_dir = "/cache"
              [runners.custom]
                config_exec = \(quoted(executable))
                config_args = \(list("gitlab-config"))
                config_exec_timeout = 60
                prepare_exec = \(quoted(executable))
                prepare_args = \(list("prepare"))  # with "--default-image", "NAME" for jobs without image:
                prepare_exec_timeout = 300
                run_exec = \(quoted(executable))
                run_args = \(list("run"))
                cleanup_exec = \(quoted(executable))
                cleanup_args = \(list("cleanup"))
                cleanup_exec_timeout = 120
                graceful_kill_timeout = 60
                force_kill_timeout = 30

            """
    }

    /// A basic string of TOML.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
