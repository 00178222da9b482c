import Foundation

/// What a program did.
struct Outcome: Sendable {
    var output: Data
    var error: Data
    /// Exit code, or 128 + signal.
    var status: Int32
    var seconds: Double

    var text: String { String(decoding: output, as: UTF8.self) }
    var errorText: String { String(decoding: error, as: UTF8.self) }
}

/// A program as a child in a process group of its own, with pipes as gitlab-runner gives them: two for output, /dev/null
/// for input, and the end only when both pipes are closed.
final class RunningProgram: @unchecked Sendable {
    private let process = Process()
    private let readers = DispatchGroup()
    private let lock = NSLock()
    private var output = Data()
    private var error = Data()
    private let start = Date()

    init(
        _ executable: String, _ arguments: [String], environment: [String: String]? = nil, input: Data? = nil
    ) throws {
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        if let environment { process.environment = environment }
        let (out, err) = (Foundation.Pipe(), Foundation.Pipe())
        process.standardOutput = out
        process.standardError = err
        if let input {
            let pipe = Foundation.Pipe()
            process.standardInput = pipe
            DispatchQueue.global().async {
                try? pipe.fileHandleForWriting.write(contentsOf: input)
                try? pipe.fileHandleForWriting.close()
            }
        } else {
            process.standardInput = FileHandle.nullDevice
        }
        try process.run()
        read(out) { self.output.append($0) }
        read(err) { self.error.append($0) }
    }

    private func read(_ pipe: Foundation.Pipe, _ take: @escaping @Sendable (Data) -> Void) {
        readers.enter()
        DispatchQueue.global().async {
            while true {
                // Whatever there is; `read(upToCount:)` would wait for all of it.
                let data = pipe.fileHandleForReading.availableData
                if data.isEmpty { break }
                self.lock.withLock { take(data) }
            }
            self.readers.leave()
        }
    }

    var pid: Int32 { process.processIdentifier }

    func signal(_ number: Int32) { kill(pid, number) }

    /// What it has written so far.
    var outputSoFar: String { lock.withLock { String(decoding: output, as: UTF8.self) } }

    /// Waits until it has ended and nobody holds its pipes.
    func wait() -> Outcome {
        readers.wait()
        process.waitUntilExit()
        let status = process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
        return lock.withLock {
            Outcome(output: output, error: error, status: status, seconds: Date().timeIntervalSince(start))
        }
    }
}

/// Runs a program of the host to its end.
@discardableResult
func command(
    _ arguments: String..., environment: [String: String]? = nil, input: Data? = nil, mayFail: Bool = false
) throws -> Outcome {
    let outcome = try RunningProgram("/usr/bin/env", arguments, environment: environment, input: input).wait()
    if outcome.status != 0 && !mayFail {
        throw CommandFailed(arguments: arguments, outcome: outcome)
    }
    return outcome
}

struct CommandFailed: Error, CustomStringConvertible {
    var arguments: [String]
    var outcome: Outcome
    var description: String {
        "\(arguments.joined(separator: " ")): status \(outcome.status): \(outcome.errorText) \(outcome.text)"
    }
}

/// Waits until `condition` holds.
func eventually(within seconds: Double, _ condition: () throws -> Bool) rethrows -> Bool {
    let end = Date().addingTimeInterval(seconds)
    while Date() < end {
        if try condition() { return true }
        usleep(10_000)
    }
    return try condition()
}
