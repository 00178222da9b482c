internal import CLinux
internal import Glibc
public import SystemPackage

/// A signal by number (signal(7)); the ones that are used have names.
public struct Signal: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    public static let hangUp = Self(rawValue: SIGHUP)
    public static let interrupt = Self(rawValue: SIGINT)
    public static let quit = Self(rawValue: SIGQUIT)
    public static let kill = Self(rawValue: SIGKILL)
    public static let pipe = Self(rawValue: SIGPIPE)
    public static let terminate = Self(rawValue: SIGTERM)

    public var description: String {
        switch self {
        case .hangUp: "SIGHUP"
        case .interrupt: "SIGINT"
        case .quit: "SIGQUIT"
        case .kill: "SIGKILL"
        case .pipe: "SIGPIPE"
        case .terminate: "SIGTERM"
        default: "signal \(rawValue)"
        }
    }

    /// Lets writes to a closed pipe fail with `EPIPE` instead of ending the process.
    public static func ignore(_ signal: Signal) { clinux_ignore_signal(signal.rawValue) }
}

/// Signals that are read instead of interrupting: blocked for the whole process from here on, also after it is gone.
/// The corresponding system call is `signalfd`.
public struct SignalDescriptor: ~Copyable, Sendable {
    private let owned: OwnedFileDescriptor

    /// Becomes readable when a signal has come.
    public var descriptor: FileDescriptor { owned.descriptor }

    public init(_ signals: [Signal]) throws(SystemError) {
        let set = signals.reduce(UInt64(0)) { $0 | (1 << UInt64(clamping: $1.rawValue - 1)) }
        let descriptor = try check("signalfd", signals.map { "\($0)" }) { clinux_signal_descriptor(set) }
        owned = OwnedFileDescriptor(owning: descriptor)
    }

    /// The signals that end a command when somebody asks: by a runner, a terminal, a lost connection.
    public static func termination() throws(SystemError) -> SignalDescriptor {
        try SignalDescriptor([.terminate, .interrupt, .hangUp])
    }

    /// The next signal that came, if any; does not wait.
    public func next() throws(SystemError) -> Signal? {
        let number = try check("read", ["signalfd"]) { clinux_read_signal(owned.rawValue) }
        return number == 0 ? nil : Signal(rawValue: number)
    }
}
