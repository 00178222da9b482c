/// What a transient service is started with. A property that is nil is not sent: systemd's default holds.
///
/// Names are those of systemd.service(5), systemd.exec(5), systemd.kill(5) and systemd.resource-control(5). Values are
/// taken literally: neither `%` specifiers nor variables are expanded. Every local user can read them
/// (`systemctl show`), so no secret belongs here.
public struct UnitProperties: Sendable {
    public enum ServiceType: String, Sendable { case simple, exec, notify, oneshot }
    public enum NotifyAccess: String, Sendable { case none, main, exec, all }
    public enum KillMode: String, Sendable {
        case mixed, process, none
        case controlGroup = "control-group"
    }
    public enum CollectMode: String, Sendable {
        case inactive
        case inactiveOrFailed = "inactive-or-failed"
    }
    public enum DevicePolicy: String, Sendable { case auto, closed, strict }

    /// Where a service's output goes.
    public enum Output: Hashable, Sendable {
        case journal, null, inherit
        /// To the end of the file at this absolute path, made if it is absent.
        case append(path: String)
        case truncate(path: String)
    }

    /// One entry of `DeviceAllow`: a node or class (`/dev/fuse`, `char-pts`) and a set of `r`, `w`, `m`.
    public struct Device: Hashable, Sendable {
        public let node: String
        public let permissions: String
        public init(_ node: String, _ permissions: String) {
            self.node = node
            self.permissions = permissions
        }
    }

    /// A share of the host's memory or CPU time, 0 to 1, as systemd scales it to `UINT32_MAX`.
    public struct Share: Hashable, Sendable {
        let scaled: UInt32
        /// Values outside 0 to 1 become the nearest of them.
        public init(_ fraction: Double) {
            scaled = UInt32(max(0, min(1, fraction.isNaN ? 0 : fraction)) * Double(UInt32.max))
        }
    }

    public var description: String?
    public var type: ServiceType?
    public var notifyAccess: NotifyAccess?
    public var killMode: KillMode?
    public var collectMode: CollectMode?
    public var slice: String?
    public var delegate: Bool?
    public var remainAfterExit: Bool?
    /// Exit codes and signals that count as success beside 0.
    public var successExitStatus: (codes: [Int32], signals: [Int32])?

    public var timeoutStart: Duration?
    public var timeoutStop: Duration?
    /// The service is ended when it has run for this long (`RuntimeMaxSec`).
    public var runtimeMax: Duration?
    /// `.zero` switches the watchdog off.
    public var watchdog: Duration?

    public var tasksMax: UInt64?
    /// 1 to 10000; systemd's default is 100.
    public var cpuWeight: UInt64?
    /// CPU time per second of time (`CPUQuotaPerSecUSec`): two seconds are two whole processors.
    public var cpuQuotaPerSecond: Duration?
    public var memoryHighBytes: UInt64?
    public var memoryMaxBytes: UInt64?
    public var memoryHighShare: Share?
    public var memoryMaxShare: Share?

    public var devicePolicy: DevicePolicy?
    public var deviceAllow: [Device] = []

    /// `KEY=value` each.
    public var environment: [String] = []
    /// Variables that the program does not get, whoever set them.
    public var unsetEnvironment: [String] = []
    public var workingDirectory: String?
    /// A program that runs after the service has ended, however it ended; the first element is an absolute path.
    ///
    /// Use neither `$` nor `;` in it: at a daemon-reload systemd 252 reads them back as `\$` and `\;`.
    public var execStopPost: [String] = []
    public var standardOutput: Output?
    public var standardError: Output?
    public var syslogIdentifier: String?

    public init() {}
}

/// A value as D-Bus knows it.
enum PropertyValue: Hashable, Sendable {
    case string(String)
    case bool(Bool)
    case uint32(UInt32)
    case uint64(UInt64)
    case strings([String])
    /// A descriptor, which sd-bus duplicates.
    case handle(Int32)
    /// `a(sasb)`: a program's path, its arguments beginning with that, and that its failure counts.
    case command([String])
    case devices([UnitProperties.Device])
    case exitStatus(codes: [Int32], signals: [Int32])
}

struct Property: Hashable, Sendable {
    let name: String
    let value: PropertyValue
    init(_ name: String, _ value: PropertyValue) {
        self.name = name
        self.value = value
    }
}

extension UnitProperties {
    /// In the order in which they are sent.
    var list: [Property] {
        var list: [Property] = []
        func add<Value>(_ name: String, _ value: Value?, _ wrap: (Value) -> PropertyValue) {
            if let value { list.append(Property(name, wrap(value))) }
        }
        func addTime(_ name: String, _ value: Duration?) { add(name, value) { .uint64($0.microseconds) } }
        func addOutput(_ name: String, _ value: Output?) {
            switch value {
            case nil: break
            case .journal: add(name, "journal", PropertyValue.string)
            case .null: add(name, "null", PropertyValue.string)
            case .inherit: add(name, "inherit", PropertyValue.string)
            case .append(let path): add("\(name)FileToAppend", path, PropertyValue.string)
            case .truncate(let path): add("\(name)FileToTruncate", path, PropertyValue.string)
            }
        }
        add("Description", description, PropertyValue.string)
        add("Type", type?.rawValue, PropertyValue.string)
        add("NotifyAccess", notifyAccess?.rawValue, PropertyValue.string)
        add("KillMode", killMode?.rawValue, PropertyValue.string)
        add("CollectMode", collectMode?.rawValue, PropertyValue.string)
        add("Slice", slice, PropertyValue.string)
        add("Delegate", delegate, PropertyValue.bool)
        add("RemainAfterExit", remainAfterExit, PropertyValue.bool)
        add("SuccessExitStatus", successExitStatus) { .exitStatus(codes: $0.codes, signals: $0.signals) }
        addTime("TimeoutStartUSec", timeoutStart)
        addTime("TimeoutStopUSec", timeoutStop)
        addTime("RuntimeMaxUSec", runtimeMax)
        addTime("WatchdogUSec", watchdog)
        add("TasksMax", tasksMax, PropertyValue.uint64)
        add("CPUWeight", cpuWeight, PropertyValue.uint64)
        addTime("CPUQuotaPerSecUSec", cpuQuotaPerSecond)
        add("MemoryHigh", memoryHighBytes, PropertyValue.uint64)
        add("MemoryMax", memoryMaxBytes, PropertyValue.uint64)
        add("MemoryHighScale", memoryHighShare?.scaled, PropertyValue.uint32)
        add("MemoryMaxScale", memoryMaxShare?.scaled, PropertyValue.uint32)
        add("DevicePolicy", devicePolicy?.rawValue, PropertyValue.string)
        if !deviceAllow.isEmpty { add("DeviceAllow", deviceAllow, PropertyValue.devices) }
        if !environment.isEmpty { add("Environment", environment, PropertyValue.strings) }
        if !unsetEnvironment.isEmpty { add("UnsetEnvironment", unsetEnvironment, PropertyValue.strings) }
        add("WorkingDirectory", workingDirectory, PropertyValue.string)
        if !execStopPost.isEmpty { add("ExecStopPost", execStopPost, PropertyValue.command) }
        addOutput("StandardOutput", standardOutput)
        addOutput("StandardError", standardError)
        add("SyslogIdentifier", syslogIdentifier, PropertyValue.string)
        return list
    }
}
