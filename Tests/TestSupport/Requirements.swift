import Foundation
import Testing

/// Whether a test that cannot run must fail; otherwise it is skipped with its reason.
public let testsAreRequired = ProcessInfo.processInfo.environment["NSPAWN_RUNNER_TEST_REQUIRED"] == "1"

extension Trait where Self == ConditionTrait {
    /// Needs root and these programs.
    public static func needs(_ programs: String...) -> Self {
        let missing = programs.filter { findProgram($0) == nil }
        let reason = (geteuid() == 0 ? [] : ["root"]) + missing
        return .enabled(
            if: reason.isEmpty || testsAreRequired, Comment(rawValue: "needs \(reason.joined(separator: ", "))"))
    }
}

/// Where a program is, looked for as root would.
public func findProgram(_ name: String) -> String? {
    ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
}

public struct ProgramFailure: Error, CustomStringConvertible {
    public let description: String
}

/// Runs a program to its end and answers what it wrote to both outputs.
///
/// - Throws: ``ProgramFailure`` when it is missing or ends with another status than 0.
@discardableResult
public func run(_ name: String, _ arguments: [String], in directory: String? = nil) throws -> String {
    guard let path = findProgram(name) else { throw ProgramFailure(description: "no program \(name)") }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    if let directory { process.currentDirectoryURL = URL(fileURLWithPath: directory) }
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationReason == .exit, process.terminationStatus == 0 else {
        throw ProgramFailure(description: "\(name) \(arguments): status \(process.terminationStatus): \(text)")
    }
    return text
}

@discardableResult
public func shell(_ script: String, in directory: String? = nil) throws -> String {
    try run("bash", ["-euc", script], in: directory)
}
