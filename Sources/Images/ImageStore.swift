import Btrfs
public import LinuxSystem
public import Logging
public import Roots
public import SystemPackage

/// Makes and removes the images of a store. Needs root.
public struct ImageStore: Sendable {
    private let store: Store
    private let logger: Logger

    public init(store: Store, logger: Logger) {
        self.store = store
        self.logger = logger
    }

    /// Makes the image `name` from a distribution.
    ///
    /// It is filled in the store's `.tmp` and gets its name, by a rename, only when it is complete: nobody ever sees half
    /// an image. On btrfs it is a subvolume. On failure nothing is left.
    ///
    /// - Parameter signals: When one comes, the tool is ended and all is taken back.
    /// - Throws: ``ImageError``, ``RootError``, ``SystemError``.
    public func create(
        _ name: Name, from bootstrap: ImageBootstrap, environment: ProcessEnvironment,
        signals: borrowing SignalDescriptor
    ) throws -> Image {
        try bootstrap.validate()
        let programs = HostPrograms(environment: environment)
        guard programs.path(bootstrap.tool.rawValue) != nil else {
            throw ImageError.toolMissing(bootstrap.tool.rawValue)
        }
        let eatMyData = programs.path("eatmydata") != nil
        return try publish(name) { target in
            let command = bootstrap.command(target: target, eatMyData: eatMyData)
            logger.info("filling image", metadata: ["image": "\(name)", "command": "\(command.joined(separator: " "))"])
            try programs.run(command, signals: signals)
        }
    }

    /// Makes the image `name` as a copy of the tree at `source`, sharing its extents where the file system can.
    ///
    /// - Throws: ``ImageError``, ``RootError/notAnOperatingSystem(_:)``, ``SystemError``.
    public func create(_ name: Name, copying source: FilePath) throws -> Image {
        try publish(name) { target in try store.copyTree(from: source, to: target) }
    }

    private func publish(_ name: Name, fill: (FilePath) throws -> Void) throws -> Image {
        try store.removeAbandoned()
        // Open, and so locked, until the image has its name.
        let lease = try store.temporaryDirectory()
        defer { withExtendedLifetime(lease) {} }
        if try store.images().contains(where: { $0.name == name }) { throw RootError.imageExists(name) }
        let temporary = try store.makeTemporary(prefix: name)
        do {
            try fill(temporary)
            try store.verifyOperatingSystem(temporary)
            try store.publish(temporary, as: name)
            return try store.image(named: name)
        } catch {
            do {
                try store.removeTemporary(temporary)
            } catch let failure {
                logger.warning("clean-up failed", metadata: ["path": "\(temporary)", "error": "\(failure)"])
            }
            throw error
        }
    }

    /// Removes the image `name`: out of sight at once, then its contents.
    ///
    /// - Parameter machines: Name and image of every machine; one that stands on the image keeps it.
    /// - Throws: ``RootError`` when there is none, ``ImageError/inUse(_:machines:)``.
    public func remove(_ name: Name, machines: [(machine: String, image: String)]) throws {
        guard let image = try store.images().first(where: { $0.name == name }) else {
            throw RootError.unknownImage(name, known: try store.images().map(\.name), store: store.path)
        }
        let users = machines.filter { $0.image == image.path.string }.map(\.machine)
        guard users.isEmpty else { throw ImageError.inUse(name, machines: users) }
        try store.removeAbandoned()
        try store.removeImage(name)
        logger.info("removed image", metadata: ["image": "\(name)"])
    }
}

extension ImageBootstrap {
    /// - Throws: ``ImageError`` for what the tools would take as an option or as several values.
    func validate() throws {
        guard Self.isWord(suite, beside: "-.") else { throw ImageError.malformedSuite(suite) }
        for package in packages where !Self.isWord(package, beside: "-.+:") {
            throw ImageError.malformedPackage(package)
        }
        if let mirror {
            let isPlain = mirror.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
            guard isPlain, !mirror.hasPrefix("-"), mirror.contains(":/") else { throw ImageError.malformedMirror(mirror) }
        }
    }

    private static func isWord(_ text: String, beside others: String) -> Bool {
        guard let first = text.utf8.first, isLetterOrDigit(first) else { return false }
        return text.utf8.allSatisfy { isLetterOrDigit($0) || others.utf8.contains($0) }
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}
