/// Steps to take back, last first, unless all went well.
///
/// Steps capture paths, not descriptors: a descriptor that a step needs would keep busy what the step removes.
///
///     var rollback = Rollback { logger.warning("clean-up failed", metadata: ["error": "\($0)"]) }
///     try makeDirectory()
///     rollback.add { try removeDirectory() }
///     try fillDirectory()
///     rollback.cancel()
public struct Rollback: ~Copyable {
    private var steps: [() throws -> Void] = []
    private let report: (any Error) -> Void

    /// - Parameter report: Is told the errors of steps; the steps before it are taken all the same.
    public init(report: @escaping (any Error) -> Void) { self.report = report }

    public mutating func add(_ step: @escaping () throws -> Void) { steps.append(step) }

    /// Everything went well: no step is taken.
    public mutating func cancel() { steps = [] }

    deinit {
        for step in steps.reversed() {
            do { try step() } catch { report(error) }
        }
    }
}
