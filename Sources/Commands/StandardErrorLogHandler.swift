import LinuxSystem
import Logging
import SystemPackage

/// Writes `level: message key=value` to standard error, one line a message.
struct StandardErrorLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .notice

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let pairs = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
        let data = pairs.map { " \($0.key)=\(printable("\($0.value)"))" }.joined()
        StandardError.write("\(event.level): \(printable(event.message.description))\(data)\n")
    }
}

/// Text for people; whoever does not read it does not stop the work.
enum StandardError {
    static func write(_ text: String) {
        _ = try? FileDescriptor.standardError.writeAll(text.utf8)
    }
}

/// Results, for people and programs.
enum StandardOutput {
    /// - Throws: ``SystemError``: `EPIPE` when nobody reads.
    static func write(_ text: String) throws {
        do {
            try FileDescriptor.standardOutput.writeAll(text.utf8)
        } catch {
            throw SystemError("write", ["standard output"], errno: error as? Errno ?? .ioError)
        }
    }
}
