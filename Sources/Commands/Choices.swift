import ArgumentParser
import Machines
import Roots

/// `--engine`: a name, or `auto`.
enum EngineChoice {
    static let names = ["auto"] + Engine.allCases.map(\.rawValue)

    static func parse(_ text: String, _ file: ConfigurationFile, _ key: String) throws -> Engine? {
        if text == "auto" { return nil }
        guard let engine = Engine(rawValue: text) else {
            throw file.error(key, "must be one of \(names.joined(separator: ", "))")
        }
        return engine
    }

    static func parse(_ text: String) throws -> Engine? {
        if text == "auto" { return nil }
        guard let engine = Engine(rawValue: text) else {
            throw ValidationError("engine must be one of \(names.joined(separator: ", "))")
        }
        return engine
    }
}

/// `--clone`: a method, or `auto`.
enum CloneChoice {
    static let names = ["auto"] + CloneMethod.allCases.map(\.rawValue)

    static func parse(_ text: String, _ file: ConfigurationFile, _ key: String) throws -> CloneMethod? {
        if text == "auto" { return nil }
        guard let method = CloneMethod(rawValue: text) else {
            throw file.error(key, "must be one of \(names.joined(separator: ", "))")
        }
        return method
    }

    static func parse(_ text: String) throws -> CloneMethod? {
        if text == "auto" { return nil }
        guard let method = CloneMethod(rawValue: text) else {
            throw ValidationError("clone method must be one of \(names.joined(separator: ", "))")
        }
        return method
    }
}

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
        _ = try clone.map { try CloneChoice.parse($0) }
        _ = try engine.map { try EngineChoice.parse($0) }
        if let privateUsers, !["auto", "no"].contains(privateUsers) {
            throw ValidationError("--private-users must be auto or no")
        }
    }

    /// `settings` with what was given here.
    func applied(to settings: Settings) throws -> Settings {
        var settings = settings
        if let clone { settings.clone = try CloneChoice.parse(clone) }
        if let engine { settings.engine = try EngineChoice.parse(engine) }
        if let privateUsers { settings.privateUsers = privateUsers != "no" }
        return settings
    }
}
