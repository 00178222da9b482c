import CLinux
import Foundation
import LinuxSystem
import SystemPackage

/// What our own look at a tree sees: one line for every entry, by its path.
public struct TreeDigest: Equatable {
    public let entries: [String: String]

    /// - Parameter owners: Whether numbers of owners are compared.
    public init(_ path: FilePath) throws {
        var collected = Collector()
        try collected.add("", Directory(path))
        entries = collected.entries
    }

    /// Lines that differ, `-` in this one only, `+` in the other; empty if they are equal.
    public func difference(to other: TreeDigest) -> [String] {
        Set(entries.keys).union(other.entries.keys).sorted().flatMap { path -> [String] in
            let (own, its) = (entries[path], other.entries[path])
            return own == its ? [] : [own.map { "-\(path): \($0)" }, its.map { "+\(path): \($0)" }].compactMap(\.self)
        }
    }
}

private struct Collector {
    var entries: [String: String] = [:]
    /// The first name of every file that has several.
    private var links: [[UInt64]: String] = [:]

    mutating func add(_ path: String, _ directory: borrowing Directory) throws {
        entries[path + "/"] = describe(try directory.status()) + " " + attributes(of: directory.path)
        // Sorted by bytes, so that the first name of a file is the same on both sides.
        var names: [FilePath.Component] = []
        try directory.forEachEntry { name, _ in names.append(name) }
        let sorted = names.map { (printable($0), $0) }.sorted { $0.0 < $1.0 }
        for (text, name) in sorted {
            let status = try directory.status(name)
            let own = path + "/" + text
            if status.kind == .directory {
                try add(own, directory.directory(FilePath(root: nil, [name])))
                continue
            }
            var line = describe(status) + " links \(status.links) size \(status.sizeBytes) device \(status.specialDevice)"
            if status.links > 1 {
                let key = [status.device, status.inode]
                line += " same as \(links[key, default: own])"
                links[key] = links[key] ?? own
            }
            if status.kind == .symbolicLink { line += " -> \(try directory.linkTarget(name))" }
            if status.kind == .regular {
                let file = try directory.file(FilePath(root: nil, [name]))
                line += try contents(file)
            }
            entries[own] = line + " " + attributes(of: directory.path.appending(name))
        }
    }

    private func printable(_ name: FilePath.Component) -> String {
        name.withPlatformString { text in
            UnsafeBufferPointer(start: text, count: strlen(text)).map { byte in
                let byte = UInt8(bitPattern: byte)
                return (0x21..<0x7F).contains(byte) ? String(UnicodeScalar(byte)) : "%\(byte)"
            }.joined()
        }
    }

    private func describe(_ status: FileStatus) -> String {
        let time = status.modificationTime
        return "\(String(status.mode, radix: 8)) \(status.user):\(status.group) \(time.seconds).\(time.nanoseconds)"
    }

    /// A hash of all bytes, and where data begins and ends.
    private func contents(_ file: borrowing OwnedFileDescriptor) throws -> String {
        let descriptor = file.descriptor
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        var buffer = [UInt8](repeating: 0, count: 65536)
        var map: [String] = []
        var offset: Int64 = 0
        while true {
            let data = clinux_seek_data(descriptor.rawValue, offset)
            if data < 0 { break }
            offset = clinux_seek_hole(descriptor.rawValue, data)
            map.append("\(data)-\(offset)")
            var position = data
            while position < offset {
                let wanted = min(buffer.count, Int(offset - position))
                let count = try buffer.withUnsafeMutableBytes {
                    try descriptor.read(fromAbsoluteOffset: position, into: .init(rebasing: $0[..<wanted]))
                }
                if count == 0 { break }
                position += Int64(count)
                buffer.withUnsafeBytes { bytes in
                    // By words: this is not optimised in tests. What is left of an earlier read does not matter to equality.
                    for offset in stride(from: 0, to: count, by: 8) {
                        hash = (hash ^ bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) &* 0x100_0000_01B3
                    }
                }
            }
        }
        return " hash \(String(hash, radix: 16)) data \(map.joined(separator: ","))"
    }

    private func attributes(of path: FilePath) -> String {
        path.withPlatformString { path in
            var names = [CChar](repeating: 0, count: 65536)
            let length = clinux_llistxattr(path, &names, names.count)
            guard length > 0 else { return length == 0 || length == -Int(EOPNOTSUPP) ? "" : "xattr error \(length)" }
            return names[..<length].split(separator: 0).map { name -> String in
                var value = [UInt8](repeating: 0, count: 65536)
                let size = clinux_lgetxattr(path, Array(name) + [0], &value, value.count)
                let text = String(decoding: name.map { UInt8(bitPattern: $0) }, as: UTF8.self)
                return "\(text)=\(size < 0 ? "error \(size)" : value[..<size].map { String($0, radix: 16) }.joined(separator: "."))"
            }.sorted().joined(separator: " ")
        }
    }
}
