import LinuxSystem
public import Roots
public import SystemPackage

/// What a hook was asked and cannot do.
public enum JobError: Error, CustomStringConvertible, Sendable {
    case noIdentity
    case malformedIdentity(String)
    case unreadableResponse(FilePath, String)
    case noImage(known: [Name])
    case malformedImage(String, known: [Name])
    case unreadableScript(FilePath, String)

    public var description: String {
        switch self {
        case .noIdentity:
            "no job is named; give --id ID, or run under gitlab-runner, which sets JOB_RESPONSE_FILE"
        case .malformedIdentity(let text):
            "job id \"\(printable(text))\" is malformed; use letters, digits, dots and dashes, at most 48"
        case .unreadableResponse(let path, let reason):
            "job response \(printable(path.string)) cannot be read: \(reason)"
        case .noImage(let known):
            "the job names no image; set image: in .gitlab-ci.yml, or --default-image in prepare_args"
                + "; \(Self.list(known))"
        case .malformedImage(let text, let known):
            "image name \"\(printable(text))\" is malformed; \(Self.list(known))"
        case .unreadableScript(let path, let reason):
            "script \(printable(path.string)) cannot be read: \(reason)"
        }
    }

    private static func list(_ known: [Name]) -> String {
        known.isEmpty ? "there are no images yet: nspawn-runner image create NAME"
            : "images are \(known.map(\.description).joined(separator: ", "))"
    }
}
