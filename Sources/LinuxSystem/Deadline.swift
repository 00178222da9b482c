internal import CLinux

/// A point of monotonic time by which something must have happened.
public struct Deadline: Sendable {
    private let nanoseconds: UInt64

    public init(after duration: Duration) {
        nanoseconds = clinux_monotonic_nanoseconds() &+ duration.clampedNanoseconds
    }

    public var hasPassed: Bool { clinux_monotonic_nanoseconds() >= nanoseconds }

    public var remaining: Duration {
        let now = clinux_monotonic_nanoseconds()
        return .nanoseconds(Int64(clamping: nanoseconds > now ? nanoseconds - now : 0))
    }

    /// Waits without doing anything; only where the kernel offers nothing to wait on.
    public static func pause(_ duration: Duration) {
        _ = clinux_poll(nil, 0, CInt(clamping: duration.clampedNanoseconds / 1_000_000))
    }
}

extension Duration {
    /// Nanoseconds, 0 if negative, at most about 292 years.
    package var clampedNanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        let whole = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        return whole.overflow ? UInt64(Int64.max) : min(whole.partialValue &+ UInt64(attoseconds / 1_000_000_000), UInt64(Int64.max))
    }

    /// Milliseconds for poll(2), rounded up so that a wait never ends early.
    package var pollMilliseconds: CInt { CInt(clamping: (clampedNanoseconds + 999_999) / 1_000_000) }
}
