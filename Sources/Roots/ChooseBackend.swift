internal import LinuxSystem
public import Logging

/// The backend of a method, for a root that was made by it.
public func backend(for method: CloneMethod, in store: Store) -> any RootBackend {
    switch method {
    case .snapshot: SnapshotBackend(store: store)
    case .overlay: OverlayBackend(store: store)
    case .reflink: CopyBackend(store: store, method: .reflink)
    case .copy: CopyBackend(store: store, method: .copy)
    }
}

/// A way to make roots of an image, and why those before it were not taken.
public struct BackendChoice: Sendable {
    public let backend: any RootBackend
    public let reasons: [(method: CloneMethod, reason: String)]
}

/// The backend that was asked for, or the first in the order of ``CloneMethod`` that proves to work.
///
/// - Parameters:
///   - requested: nil chooses; a method asked for never turns into another one.
///   - userNamespace: Whether the root will be opened with mapped ids.
/// - Throws: ``RootError`` `impossible` for a method asked for, `noMethod`.
public func chooseBackend(
    requested: CloneMethod?, image: Image, store: Store, userNamespace: Bool, logger: Logger
) throws -> BackendChoice {
    if let requested {
        let backend = backend(for: requested, in: store)
        try backend.check(image, userNamespace: userNamespace)
        return BackendChoice(backend: backend, reasons: [])
    }
    var reasons: [(method: CloneMethod, reason: String)] = []
    for method in CloneMethod.allCases {
        let backend = backend(for: method, in: store)
        do {
            try backend.check(image, userNamespace: userNamespace)
            logger.debug("chose clone method", metadata: ["method": "\(method.rawValue)", "image": "\(image.name)"])
            return BackendChoice(backend: backend, reasons: reasons)
        } catch {
            guard let error = error as? RootError, case .impossible(_, _, _, let reason, _) = error else { throw error }
            logger.debug(
                "clone method not possible",
                metadata: ["method": "\(method.rawValue)", "image": "\(image.name)", "reason": "\(reason)"])
            reasons.append((method, reason))
        }
    }
    throw RootError.noMethod(image: image.path, reasons: reasons.map { "\($0.method.rawValue): \($0.reason)" })
}
