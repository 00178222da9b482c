import Testing

@testable import Systemd

@Suite struct UnitPropertiesTests {
    @Test func `what is not set is not sent`() {
        #expect(UnitProperties().list.isEmpty)
    }

    @Test func `times, shares and outputs become what the bus knows`() {
        var properties = UnitProperties()
        properties.watchdog = .seconds(180)
        properties.memoryMaxShare = UnitProperties.Share(0.5)
        properties.memoryHighShare = UnitProperties.Share(.infinity)
        properties.standardOutput = .append(path: "/var/log/a b")
        properties.standardError = .journal
        properties.successExitStatus = (codes: [133], signals: [15])
        properties.execStopPost = ["/bin/true", "$X"]
        #expect(
            properties.list == [
                Property("SuccessExitStatus", .exitStatus(codes: [133], signals: [15])),
                Property("WatchdogUSec", .uint64(180_000_000)),
                Property("MemoryHighScale", .uint32(.max)),
                Property("MemoryMaxScale", .uint32(2_147_483_647)),
                Property("ExecStopPost", .command(["/bin/true", "$X"])),
                Property("StandardOutputFileToAppend", .string("/var/log/a b")),
                Property("StandardError", .string("journal")),
            ])
    }

    @Test(arguments: [(-1.0, UInt32.min), (.nan, .min), (0, .min), (1, .max), (7, .max)])
    func `a share outside its range is the nearest inside`(fraction: Double, scaled: UInt32) {
        #expect(UnitProperties.Share(fraction).scaled == scaled)
    }

    @Test func `messages from the other side stay on one line`() {
        let error = BusError(
            "StartTransientUnit(a\nb.service)", name: .unitExists, message: "evil\u{1b}[2J\nline", errno: .fileExists)
        #expect(
            "\(error)"
                == #"StartTransientUnit(a\u{a}b.service): evil\u{1b}[2J\u{a}line (org.freedesktop.systemd1.UnitExists)"#
        )
    }

    @Test func `every way in which a connection ends has one name`() {
        for errno in [CInt(104), 107, 32] {
            #expect(BusError("x", result: -errno).name == .disconnected)
            #expect(BusError("x", result: -errno).errno.rawValue == errno)
        }
        #expect(BusError("x", result: -110).name == .timedOut)
    }
}

@Suite struct StageEndTests {
    @Test(arguments: [
        (Int32(1), Int32(0), "success", "done", StageEnd.exited(code: 0)),
        (1, 3, "exit-code", "done", .exited(code: 3)),
        // A program that ends before systemd has noticed that it runs.
        (1, 3, "exit-code", "failed", .exited(code: 3)),
        // The program's own 203, and systemd's.
        (1, 203, "exit-code", "done", .exited(code: 203)),
        (1, 203, "exit-code", "failed", .notStarted(result: "exit-code", status: 203)),
        (1, 255, "exit-code", "failed", .exited(code: 255)),
        (2, 15, "success", "done", .signaled(signal: 15, dumpedCore: false)),
        (3, 6, "core-dump", "done", .signaled(signal: 6, dumpedCore: true)),
        (0, 0, "resources", "failed", .notStarted(result: "resources", status: 0)),
    ])
    func `an end is what systemd saw`(
        code: Int32, status: Int32, result: String, job: String, end: StageEnd
    ) throws {
        #expect(
            try MachineStage.end(code: code, status: status, result: result, job: job, wasRead: false, unit: "u") == end
        )
    }

    @Test func `a program that has read its input did run`() throws {
        #expect(
            try MachineStage.end(
                code: 1, status: 203, result: "exit-code", job: "failed", wasRead: true, unit: "u")
                == .exited(code: 203))
    }

    @Test func `no process and no failure is never a success`() {
        #expect(throws: UnitError.self) {
            try MachineStage.end(code: 0, status: 0, result: "success", job: "done", wasRead: false, unit: "u")
        }
    }
}
