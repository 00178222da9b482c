import ArgumentParser
import Machines
import Roots

/// A choice by name, `auto` for none.
enum Choice<Value: RawRepresentable & CaseIterable> where Value.RawValue == String {
    static var names: [String] { ["auto"] + Value.allCases.map(\.rawValue) }

    /// - Parameter complain: Makes the error of what is not among ``names``.
    static func parse(_ text: String, _ complain: (String) -> any Error) throws -> Value? {
        if text == "auto" { return nil }
        guard let value = Value(rawValue: text) else {
            throw complain("must be one of \(names.joined(separator: ", "))")
        }
        return value
    }
}

typealias EngineChoice = Choice<Engine>
typealias CloneChoice = Choice<CloneMethod>

/// How a machine is made; options of every verb that makes one.
struct MachineOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "How the root is made: \(CloneChoice.names.joined(separator: ", ")).", valueName: "method"),
        completion: .list(CloneChoice.names))
    var clone: String?

    @Option(
        help: ArgumentHelp("What starts the machine: \(EngineChoice.names.joined(separator: ", ")).", valueName: "engine"),
        completion: .list(EngineChoice.names))
    var engine: String?

    @Option(
        help: ArgumentHelp("Whether the machine has a user namespace of its own: auto or no.", valueName: "choice"),
        completion: .list(["auto", "no"]))
    var privateUsers: String?

    func validate() throws {
        _ = try applied(to: Settings())
        if let privateUsers, !["auto", "no"].contains(privateUsers) {
            throw ValidationError("--private-users must be auto or no")
        }
    }

    /// `settings` with what was given here.
    func applied(to settings: Settings) throws -> Settings {
        var settings = settings
        if let clone { settings.clone = try CloneChoice.parse(clone) { ValidationError("--clone \($0)") } }
        if let engine { settings.engine = try EngineChoice.parse(engine) { ValidationError("--engine \($0)") } }
        if let privateUsers { settings.privateUsers = privateUsers != "no" }
        return settings
    }
}
