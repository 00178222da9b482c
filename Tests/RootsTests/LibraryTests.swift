import Foundation
import TestSupport
import Testing

/// The libraries are used, not only linked.
@Suite(.needs("nm"))
struct LibraryTests {
    private static let executable = ProcessInfo.processInfo.environment["NSPAWN_RUNNER_TEST_EXECUTABLE"]

    /// The executable that is released, or that of the tests, which has the same targets.
    private var path: String { Self.executable ?? CommandLine.arguments.first ?? "" }

    @Test(arguments: [
        "btrfs_util_create_subvolume_fd", "btrfs_util_create_snapshot_fd2", "btrfs_util_delete_subvolume_fd",
        "btrfs_util_create_subvolume_iterator_fd", "btrfs_util_subvolume_iterator_next",
        "btrfs_util_set_subvolume_read_only_fd", "btrfs_util_get_subvolume_read_only_fd", "btrfs_util_is_subvolume_fd",
    ])
    func `libbtrfsutil is called by names that Debian 12 has`(_ symbol: String) throws {
        let symbols = try imports()
        #expect(symbols.contains(symbol))
        let modern = symbols.filter { $0.hasPrefix("btrfs_util_subvolume_") && !$0.contains("iterator_next") }
        #expect(modern.allSatisfy { ["btrfs_util_subvolume_info_fd"].contains($0) }, "\(modern)")
    }

    @Test(arguments: ["mnt_new_table", "mnt_table_parse_file", "mnt_table_next_fs", "mnt_fs_get_target"])
    func `libmount reads the mount table`(_ symbol: String) throws {
        #expect(try imports().contains(symbol))
    }

    private func imports() throws -> Set<String> {
        let lines = try run("nm", ["-D", "--undefined-only", path]).split(separator: "\n")
        return Set(lines.compactMap { $0.split(separator: " ").last.map { String($0.prefix { $0 != "@" }) } })
    }
}
