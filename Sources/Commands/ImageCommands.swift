import ArgumentParser
import FoundationEssentials
import Images
import LinuxSystem
import Machines
import Roots
import SystemPackage

struct ImageGroup: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "image", abstract: "List, inspect, create and remove images.",
        discussion: "Every directory of the store that does not begin with a dot is an image, made by hand or by this.",
        subcommands: [List.self, Inspect.self, Create.self, Remove.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List images: name and path.", discussion: "Example: nspawn-runner image list --json")

        @Flag(help: "Print a JSON array.")
        var json = false
        @OptionGroup var options: GlobalOptions

        func run() throws {
            let host = try HostEnvironment(options.settings(), logger: options.logger())
            let images = try host.store.images()
            if json {
                try StandardOutput.writeJSON(images.map(ImageDescription.init))
            } else {
                try StandardOutput.writeTable(images.map { [$0.name.description, $0.path.string] })
            }
        }
    }

    struct Inspect: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show one image and how its roots would be made.",
            discussion: "Example: nspawn-runner image inspect bookworm")

        @Argument(help: "Image.")
        var name: String
        @Flag(help: "Print a JSON object.")
        var json = false
        @OptionGroup var options: GlobalOptions

        func run() throws {
            let host = try HostEnvironment(options.settings(), logger: options.logger())
            let image = try host.store.image(named: Name(name, of: .image))
            var description = ImageDescription(image)
            description.cloneMethods = try CloneMethod.allCases.map { method in
                .init(method: method.rawValue, obstacle: try ImageGroup.obstacle(method, image, host))
            }
            if json {
                try StandardOutput.writeJSON(description)
                return
            }
            var rows = [
                ["name", description.name], ["path", description.path],
                ["kind", description.isSubvolume ? "subvolume" : "directory"],
                ["writable", description.isReadOnly ? "no" : "yes"],
            ]
            rows += (description.cloneMethods ?? []).map { [$0.method, $0.obstacle.map { "no: \($0)" } ?? "yes"] }
            try StandardOutput.writeTable(rows)
        }
    }

    /// Why a method cannot be used, or nil if it can.
    fileprivate static func obstacle(_ method: CloneMethod, _ image: Image, _ host: HostEnvironment) throws -> String? {
        do {
            try backend(for: method, in: host.store).check(image, userNamespace: host.settings.privateUsers)
            return nil
        } catch RootError.impossible(_, _, _, let reason, _) {
            return reason
        }
    }

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make an image from a Debian archive, or from a directory.",
            discussion: """
                The store is made when it is missing. Example: nspawn-runner image create bookworm --suite bookworm \
                --include gcc,make
                """)

        @Argument(help: "Name of the new image.")
        var name: String
        @OptionGroup var source: BootstrapOptions
        @Option(help: ArgumentHelp("Copy this tree instead.", valueName: "directory"), completion: .directory)
        var from: FilePath?
        @OptionGroup var options: GlobalOptions

        func run() throws {
            let signals = try SignalDescriptor.termination()
            let host = try HostEnvironment(options.settings(), logger: options.logger(default: .info), create: true)
            let images = ImageStore(store: host.store, logger: host.logger)
            let name = try Name(name, of: .image)
            let image =
                if let from {
                    try images.create(name, copying: from)
                } else {
                    try images.create(
                        name, from: source.bootstrap(), environment: .inherited(), signals: signals)
                }
            try StandardOutput.write("\(image.name)\t\(image.path)\n")
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove an image that no machine uses.", discussion: "Example: nspawn-runner image remove buster")

        @Argument(help: "Image.")
        var name: String
        @OptionGroup var options: GlobalOptions

        func run() throws {
            let host = try HostEnvironment(options.settings(), logger: options.logger())
            let machines = try host.machines.records().map { (machine: $0.name, image: $0.imagePath) }
            try ImageStore(store: host.store, logger: host.logger)
                .remove(Name(name, of: .image), machines: machines)
        }
    }
}

/// Where the contents of a new image come from.
struct BootstrapOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Debian suite.", valueName: "name"))
    var suite: String = "unstable"

    @Option(help: ArgumentHelp("Archive to take packages from.", valueName: "address"))
    var mirror: String?

    @Option(help: ArgumentHelp("More packages, separated by commas.", valueName: "packages"))
    var include: String?

    @Option(
        help: ArgumentHelp("Program that makes it; else the first of them that is installed.", valueName: "program"),
        completion: .list(ImageBootstrap.Tool.allCases.map(\.rawValue)))
    var method: String?

    func validate() throws {
        if let method, ImageBootstrap.Tool(rawValue: method) == nil {
            let names = ImageBootstrap.Tool.allCases.map(\.rawValue).joined(separator: " or ")
            throw ValidationError("--method must be \(names)")
        }
    }

    func bootstrap() -> ImageBootstrap {
        let packages = include.map { $0.split(separator: ",").map(String.init) } ?? []
        let tool = method.flatMap(ImageBootstrap.Tool.init) ?? ImageBootstrap.Tool.installed(environment: .inherited())
        return ImageBootstrap(suite: suite, mirror: mirror, packages: packages, tool: tool)
    }
}

/// An image as `--json` shows it.
struct ImageDescription: Encodable {
    struct CloneReport: Encodable {
        var method: String
        /// Why not; null if it can be used.
        var obstacle: String?

        private enum CodingKeys: CodingKey { case method, obstacle }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(method, forKey: .method)
            try container.encode(obstacle, forKey: .obstacle)
        }
    }

    var name: String
    var path: String
    var isSubvolume: Bool
    var isReadOnly: Bool
    var cloneMethods: [CloneReport]?

    init(_ image: Image) {
        name = image.name.description
        path = image.path.string
        isSubvolume = image.isSubvolume
        isReadOnly = image.isReadOnly
    }

    private enum CodingKeys: String, CodingKey {
        case name, path
        case isSubvolume = "subvolume"
        case isReadOnly = "read_only"
        case cloneMethods = "clone_methods"
    }
}

/// `chroot-list` of the original program.
struct ChrootList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chroot-list", abstract: "List images: name and path (as image list).")

    @OptionGroup var options: GlobalOptions

    func run() throws {
        var list = ImageGroup.List()
        list.json = false
        list.options = options
        try list.run()
    }
}

/// `chroot-create` of the original program.
struct ChrootCreate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chroot-create", abstract: "Make an image (as image create).")

    @Argument(help: "Name of the new image.")
    var name: String
    @OptionGroup var source: BootstrapOptions
    @OptionGroup var options: GlobalOptions

    func run() throws {
        var create = ImageGroup.Create()
        create.name = name
        create.source = source
        create.from = nil
        create.options = options
        try create.run()
    }
}

extension StandardOutput {
    static func writeJSON(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try write(String(decoding: try encoder.encode(value), as: UTF8.self) + "\n")
    }

    /// Columns as wide as they need to be, the last one ragged.
    static func writeTable(_ rows: [[String]]) throws {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in rows.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0 }
        var text = ""
        for row in rows {
            let cells = row.enumerated().map { column, cell in
                column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
            }
            text += cells.joined(separator: "  ") + "\n"
        }
        try write(text)
    }
}
