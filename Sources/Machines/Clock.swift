import FoundationEssentials

/// Time of day, for records and messages; waits use ``Deadline``.
enum Clock {
    static func secondsSince1970() -> Int64 { Int64(Date().timeIntervalSince1970) }
}
