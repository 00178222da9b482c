import GitLabExecutor
import LinuxSystem
import Machines
import Roots
import SystemPackage
import TOMLKit

/// What the administrator has set: options win over the environment, that over the configuration file, that over defaults.
struct Settings: Sendable {
    var store: FilePath = "/var/lib/nspawn-runner"
    /// nil is `auto`: systemd's where systemd runs the host.
    var engine: Engine?
    /// nil is `auto`: the cheapest that the file system has.
    var clone: CloneMethod?
    var privateUsers = true
    var defaultImage: String?
    /// The runner ends a job at its timeout; its machine ends by itself this much later, should the runner no longer live.
    var timeoutGrace: Duration = .seconds(15 * 60)

    static let defaultFile: FilePath = "/etc/nspawn-runner/config.toml"

    static func load(options: GlobalOptions, environment: ProcessEnvironment) throws -> Settings {
        var settings = Settings()
        let named = options.config ?? environment["NSPAWN_RUNNER_CONFIG"].map { FilePath($0) }
        if let file = try ConfigurationFile(named ?? defaultFile, required: named != nil) {
            try settings.apply(file)
        }
        if let store = environment["NSPAWN_RUNNER_STORE"], !store.isEmpty { settings.store = FilePath(store) }
        if let store = options.store { settings.store = store }
        guard settings.store.isAbsolute else { throw SettingsError.relativeStore(settings.store) }
        return settings
    }

    private mutating func apply(_ file: ConfigurationFile) throws {
        for (key, value) in file.values {
            switch key {
            case "store": store = FilePath(try file.string(key, value))
            case "engine": engine = try EngineChoice.parse(try file.string(key, value)) { file.error(key, $0) }
            case "clone": clone = try CloneChoice.parse(try file.string(key, value)) { file.error(key, $0) }
            case "private_users": privateUsers = try file.boolean(key, value)
            case "default_image": defaultImage = try file.string(key, value)
            case "timeout_grace_seconds": timeoutGrace = .seconds(try file.count(key, value, atMost: 24 * 60 * 60))
            default: throw file.error(key, "is unknown; known are \(Self.keys.joined(separator: ", "))")
            }
        }
    }

    static let keys = ["clone", "default_image", "engine", "private_users", "store", "timeout_grace_seconds"]
}

enum SettingsError: Error, CustomStringConvertible {
    case relativeStore(FilePath)
    case unreadable(FilePath, String)
    case invalid(FilePath, line: Int?, String)

    var description: String {
        switch self {
        case .relativeStore(let path): "store \(printable(path.string)) is not an absolute path"
        case .unreadable(let path, let reason):
            "configuration \(printable(path.string)) cannot be used: \(printable(reason))"
        case .invalid(let path, let line, let reason):
            "\(printable(path.string))\(line.map { ":\($0)" } ?? ""): \(printable(reason))"
        }
    }
}

/// The configuration file, read and parsed.
struct ConfigurationFile {
    let path: FilePath
    let values: [(String, any TOMLValueConvertible)]
    private let lines: [Substring]

    private static let limitBytes = 1 << 20

    /// - Parameter required: Whether a file that is missing is an error; else it gives nil.
    init?(_ path: FilePath, required: Bool) throws {
        let bytes: [UInt8]
        do {
            let file = try Directory.openFile(path, followingLink: true)
            let status = try file.descriptor.status()
            guard status.user == 0, status.permissions & 0o022 == 0 else {
                throw SettingsError.unreadable(
                    path, "others than root can change it; chown root: \(path.string) && chmod go-w \(path.string)")
            }
            bytes = try file.descriptor.readAll(limit: Self.limitBytes)
        } catch let error as SystemError {
            if error.errno == .noSuchFileOrDirectory && !required { return nil }
            throw SettingsError.unreadable(path, "\(error.errno)")
        }
        self.path = path
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw SettingsError.unreadable(path, "it is not UTF-8")
        }
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        do {
            values = try TOMLTable(string: text).map { ($0.0, $0.1) }
        } catch let error as TOMLParseError {
            throw SettingsError.invalid(path, line: error.source.begin.line, error.description)
        }
    }

    func string(_ key: String, _ value: any TOMLValueConvertible) throws -> String {
        guard let string = value.string, !string.isEmpty else { throw error(key, "must be a string") }
        return string
    }

    func boolean(_ key: String, _ value: any TOMLValueConvertible) throws -> Bool {
        guard let boolean = value.bool else { throw error(key, "must be true or false") }
        return boolean
    }

    func count(_ key: String, _ value: any TOMLValueConvertible, atMost limit: Int) throws -> Int {
        guard let count = value.int, (0...limit).contains(count) else {
            throw error(key, "must be a whole number up to \(limit)")
        }
        return count
    }

    func error(_ key: String, _ reason: String) -> SettingsError {
        // The parser does not tell where a key stands: it is the first line that begins with it.
        let line = lines.firstIndex { line in
            let text = line.drop { $0 == " " || $0 == "\t" || $0 == "[" || $0 == "\"" }
            return text.hasPrefix(key)
        }
        return .invalid(path, line: line.map { $0 + 1 }, "\(key) \(reason)")
    }
}
