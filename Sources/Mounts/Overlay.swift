internal import CLinux
public import LinuxSystem
internal import SystemPackage

/// Overlay mounts whose layers are descriptors: what was opened is what is mounted.
public enum Overlay {
    /// How the kernel is told the layers, newest first. Each is tried where the one before is not known.
    public enum Way: CaseIterable, Sendable {
        /// fsconfig(2) with descriptors; the lower layer stays detached. Linux 6.15.
        case descriptors
        /// fsconfig(2) with paths below /proc/self/fd; the lower layer is attached for the time of the call, since
        /// older kernels take no layer from a detached mount. Linux 5.2.
        case paths
        /// The same with mount(2), where fsopen(2) is missing or denied.
        case mountCall

        /// Whether the failure may only mean that this way is not known.
        public static func isMissing(_ error: SystemError) -> Bool {
            [.invalidArgument, .noFunction, .notSupported, .notPermitted, .badFileDescriptor].contains(error.errno)
        }
    }

    /// Merges layers into a detached mount.
    ///
    /// - Parameters:
    ///   - lower: A detached mount, possibly with mapped ids (Linux 5.19).
    ///   - upper: Takes all changes. Its ids are not mapped: the kernel makes files below `work` as the host's root.
    ///   - work: Empty, on the mount of `upper`. With `isVolatile`, it must be new for every call, failed calls included.
    ///   - place: A directory on which the ways that need one attach for the time of the call, in the mount namespace of
    ///     the caller.
    /// - Throws: ``SystemError``: `EINVAL` if the way is not known or a layer not fit (the kernel's reason is among the
    ///   arguments), `ENODEV` without overlayfs, `EPERM`, `ENOSPC`.
    public static func mount(
        lower: borrowing OwnedFileDescriptor, upper: borrowing Directory, work: borrowing Directory,
        place: borrowing Directory, isVolatile: Bool, way: Way
    ) throws(SystemError) -> OwnedFileDescriptor {
        let (lowerLayer, upperLayer, workLayer) = (
            lower.rawValue, upper.descriptor.rawValue, work.descriptor.rawValue
        )
        if way == .descriptors {
            let context = try open()
            try set(context, "lowerdir+", lowerLayer)
            try set(context, "upperdir", upperLayer)
            try set(context, "workdir", workLayer)
            return try finish(context, isVolatile: isVolatile)
        }
        let layers = OverlayLayers(
            lower: [path(of: lowerLayer)], upper: path(of: upperLayer), work: path(of: workLayer),
            isVolatile: isVolatile)
        try Mount.attach(lower, at: place)
        // The overlay has a private clone of the lower mount, so this one is not needed any more.
        defer { try? Mount.unmount(place.path, lazily: true) }
        if way == .paths {
            let context = try open()
            try set(context, "lowerdir", layers.lower)
            try set(context, "upperdir", [layers.upper])
            try set(context, "workdir", [layers.work])
            return try finish(context, isVolatile: isVolatile)
        }
        try check("mount", ["overlay", place.path.string]) {
            place.path.withPlatformString { clinux_mount("overlay", $0, "overlay", 0, layers.mountOptions) }
        }
        defer { try? Mount.unmount(place.path, lazily: true) }
        return try Mount.clone(try Directory(place.path))
    }

    private static func path(of descriptor: CInt) -> FilePath { FilePath("/proc/self/fd/\(descriptor)") }

    private static func open() throws(SystemError) -> OwnedFileDescriptor {
        OwnedFileDescriptor(owning: try check("fsopen", ["overlay"]) { clinux_fsopen("overlay") })
    }

    private static func set(_ context: borrowing OwnedFileDescriptor, _ key: String, _ layer: CInt) throws(SystemError) {
        let context = context.rawValue
        try check("fsconfig", ["overlay", key]) { clinux_fsconfig_descriptor(context, key, layer) }
    }

    private static func set(
        _ context: borrowing OwnedFileDescriptor, _ key: String, _ layers: [FilePath]
    ) throws(SystemError) {
        let context = context.rawValue
        let value = layers.map(\.string).joined(separator: ":")
        try check("fsconfig", ["overlay", key, value]) { clinux_fsconfig_string(context, key, value) }
    }

    private static func finish(
        _ owner: borrowing OwnedFileDescriptor, isVolatile: Bool
    ) throws(SystemError) -> OwnedFileDescriptor {
        let context = owner.rawValue
        for (key, value) in OverlayLayers.plainUpper {
            try check("fsconfig", ["overlay", key, value]) { clinux_fsconfig_string(context, key, value) }
        }
        if isVolatile { try check("fsconfig", ["overlay", "volatile"]) { clinux_fsconfig_flag(context, "volatile") } }
        try check("fsconfig", ["overlay", "create", message(of: context)]) { clinux_fsconfig_create(context) }
        return OwnedFileDescriptor(owning: try check("fsmount", ["overlay"]) { clinux_fsmount(context, 0) })
    }

    /// What the kernel says about the last error.
    private static func message(of context: CInt) -> String {
        var text = [CChar](repeating: 0, count: 512)
        clinux_fs_message(context, &text, UInt32(text.count))
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
