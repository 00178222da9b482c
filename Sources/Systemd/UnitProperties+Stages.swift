/// What every service that this makes inside a machine has.
extension UnitProperties {
    /// The machine's limits are set outside: inside, a stage has all of it.
    static var forStages: UnitProperties {
        var properties = UnitProperties()
        properties.tasksMax = .max
        return properties
    }

    static var stageList: [Property] {
        [
            // systemd's default would have `yes | head` complain, and pipelines end with other codes than in a shell.
            Property("IgnoreSIGPIPE", .bool(false)),
            // One process that the kernel kills for want of memory ends as any other: the program decides what follows.
            Property("OOMPolicy", .string("continue")),
        ]
    }

    /// What systemd 244 to 257 adds to the environment of a service by itself.
    static let addedVariables = [
        "PATH", "LANG", "LANGUAGE", "LC_CTYPE", "LC_NUMERIC", "LC_TIME", "LC_COLLATE", "LC_MONETARY", "LC_MESSAGES",
        "LC_PAPER", "LC_NAME", "LC_ADDRESS", "LC_TELEPHONE", "LC_MEASUREMENT", "LC_IDENTIFICATION", "LC_ALL",
        "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE",
        "USER", "LOGNAME", "HOME", "SHELL", "TERM", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC",
    ]
}
