import Foundation

/// What `strace -f` wrote of execve and clone, as a tree of processes.
struct ExecutionTrace {
    private var parents: [Int: Int] = [:]
    /// Children that were made in a process namespace of their own: machines.
    private var machines: Set<Int> = []
    private var programs: [(pid: Int, name: String)] = []

    init(file: String) throws {
        var unfinished: [Int: String] = [:]
        for line in try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n") {
            guard let space = line.firstIndex(of: " "), let pid = Int(line[..<space]) else { continue }
            var text = line[space...].trimmingCharacters(in: .whitespaces)
            if text.hasSuffix("<unfinished ...>") {
                unfinished[pid] = text
                continue
            }
            if text.hasPrefix("<... "), let begin = unfinished.removeValue(forKey: pid) { text = begin + text }
            note(pid, text)
        }
    }

    private mutating func note(_ pid: Int, _ text: String) {
        // Inside a process namespace the number is that of strace's own: `= 2 /* 19363 in strace's PID NS */`.
        let answer = text.components(separatedBy: " = ").last ?? ""
        let number = answer.contains("in strace's PID NS") ? answer.components(separatedBy: "/* ").last ?? "" : answer
        let result = Int(number.prefix { $0.isNumber })
        if text.hasPrefix("execve"), text.contains("= 0") {
            let path = text.split(separator: "\"").dropFirst().first.map(String.init) ?? text
            programs.append((pid, URL(fileURLWithPath: path).lastPathComponent))
        } else if let child = result, child > 0, !text.hasPrefix("unshare") {
            parents[child] = pid
            if text.contains("CLONE_NEWPID") { machines.insert(child) }
        }
    }

    /// Names of the programs that ran outside any machine.
    func programsOutsideMachines() -> [String] {
        programs.filter { !isInMachine($0.pid) }.map(\.name)
    }

    private func isInMachine(_ pid: Int) -> Bool {
        var current: Int? = pid
        while let process = current {
            if machines.contains(process) { return true }
            current = parents[process]
        }
        return false
    }
}
