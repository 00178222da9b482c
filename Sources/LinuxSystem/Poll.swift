internal import CLinux
internal import Glibc
public import SystemPackage

/// Waiting for descriptors: the one place where a command waits. The corresponding system call is `poll`.
public enum Poll {
    public struct Events: OptionSet, Hashable, Sendable {
        public let rawValue: Int16
        public init(rawValue: Int16) { self.rawValue = rawValue }

        public static let readable = Self(rawValue: Int16(POLLIN))
        public static let writable = Self(rawValue: Int16(POLLOUT))
        /// An exceptional condition; what cgroup.events and other kernel files announce changes with.
        public static let priority = Self(rawValue: Int16(POLLPRI))
        /// The other end is closed, or something is wrong; reported without being asked for.
        public static let ended = Self(rawValue: Int16(POLLHUP | POLLERR | POLLNVAL))
    }

    public struct Item: Sendable {
        public let descriptor: FileDescriptor
        public let events: Events

        public init(_ descriptor: FileDescriptor, _ events: Events) {
            self.descriptor = descriptor
            self.events = events
        }
    }

    /// Waits until one of `items` is ready.
    ///
    /// - Parameter timeout: nil is for ever.
    /// - Returns: What is ready, by index of the item; empty when the time is over.
    public static func wait(for items: [Item], timeout: Duration?) throws(SystemError) -> [Int: Events] {
        var raw = items.map { clinux_poll(descriptor: $0.descriptor.rawValue, events: $0.events.rawValue, ready: 0) }
        let deadline = timeout.map { Deadline(after: $0) }
        let count = try check("poll", ["\(items.count)"]) {
            clinux_poll(&raw, UInt32(raw.count), deadline?.remaining.pollMilliseconds ?? -1)
        }
        var ready: [Int: Events] = [:]
        if count > 0 {
            for (index, item) in raw.enumerated() where item.ready != 0 { ready[index] = Events(rawValue: item.ready) }
        }
        return ready
    }
}
