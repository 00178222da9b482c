import LinuxSystem
import SystemPackage

/// Passes on what a stage writes, in bounded memory.
///
/// The runner's own pipes are never handed into a machine: whoever kept one there would hold the stage open.
struct OutputRelay: ~Copyable {
    /// As much as an unprivileged pipe may hold: fewer turns for large outputs.
    static let pipeBytes: Int32 = 1 << 20

    /// One stream.
    struct Stream: ~Copyable {
        let source: OwnedFileDescriptor
        let target: FileDescriptor
        /// The last writer is gone.
        fileprivate var hasEnded = false
        /// Whoever reads the target is gone; the stage goes on.
        fileprivate var isDiscarding = false

        init(from source: consuming OwnedFileDescriptor, to target: FileDescriptor) throws {
            try source.descriptor.setNonblocking(true)
            self.source = source
            self.target = target
        }
    }

    private var first: Stream
    private var second: Stream
    private var buffer = [UInt8](repeating: 0, count: 1 << 18)

    init(first: consuming Stream, second: consuming Stream) {
        self.first = first
        self.second = second
    }

    /// What to poll: always two, one that has ended without events.
    var items: [Poll.Item] {
        [
            .init(first.hasEnded ? Self.none : first.source.descriptor, .readable),
            .init(second.hasEnded ? Self.none : second.source.descriptor, .readable),
        ]
    }

    /// poll(2) ignores negative descriptors.
    private static let none = FileDescriptor(rawValue: -1)

    /// Passes on what has come, as the answer of a poll says in which ``items`` began at `firstItem`.
    mutating func forward(_ ready: [Int: Poll.Events], firstItem: Int) throws {
        if ready[firstItem] != nil { _ = try first.forward(&buffer) }
        if ready[firstItem + 1] != nil { _ = try second.forward(&buffer) }
    }

    /// Passes on all that was written before the end of the stage; streams that still have a writer go to `drain`.
    ///
    /// What is in a pipe by then is no more than its capacity; a writer that goes on could otherwise keep this for ever.
    mutating func finish(_ drain: (FileDescriptor) throws -> Void) throws {
        try first.forward(atMost: Int(Self.pipeBytes), &buffer)
        try second.forward(atMost: Int(Self.pipeBytes), &buffer)
        if !first.hasEnded { try drain(first.source.descriptor) }
        if !second.hasEnded { try drain(second.source.descriptor) }
    }
}

extension OutputRelay.Stream {
    /// Passes on buffers until there is nothing to read now, or `limit` is reached or passed.
    fileprivate mutating func forward(atMost limit: Int, _ buffer: inout [UInt8]) throws {
        var total = 0
        while total < limit, case let count = try forward(&buffer), count > 0 { total += count }
    }

    /// Passes on one buffer.
    ///
    /// - Returns: How much, 0 if there was nothing to read now.
    fileprivate mutating func forward(_ buffer: inout [UInt8]) throws -> Int {
        if hasEnded { return 0 }
        guard let count = try source.descriptor.readAvailable(into: &buffer) else { return 0 }
        if count == 0 {
            hasEnded = true
            return 0
        }
        if !isDiscarding {
            do {
                try target.write(buffer, count: count)
            } catch {
                guard error.errno == .brokenPipe else { throw error }
                isDiscarding = true
            }
        }
        return count
    }
}
