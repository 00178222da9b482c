internal import CLinux
public import SystemPackage

/// A system call that failed: which, with what, and why.
///
/// It reads like the call: `openat2(/srv/roots, base/etc): No such file or directory`. A bare `Errno` never leaves this
/// module, since it does not say which file was meant. Arguments are names and numbers, never contents.
public struct SystemError: Error, Hashable, Sendable, CustomStringConvertible {
    public let call: String
    public let arguments: [String]
    public let errno: Errno

    public init(_ call: String, _ arguments: [String], errno: Errno) {
        self.call = call
        self.arguments = arguments
        self.errno = errno
    }

    public var description: String {
        "\(call)(\(arguments.map(printable).joined(separator: ", "))): \(errno)"
    }
}

/// Text from outside on one line: control characters are escaped, so that a name can neither forge a second line nor
/// steer a terminal.
public func printable(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
        let isControl = scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value)
        let isDirection = (0x202A...0x202E).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value)
        let isLineBreak = scalar.value == 0x2028 || scalar.value == 0x2029
        if isControl || isDirection || isLineBreak {
            result += "\\u{\(String(scalar.value, radix: 16))}"
        } else {
            result.unicodeScalars.append(scalar)
        }
    }
    return result
}

/// Turns the answer of a shim, a value or `-errno`, into a value or an error; the only place that knows about `EINTR`.
@discardableResult
package func check<Result: SignedInteger>(
    _ call: String, _ arguments: @autoclosure () -> [String], _ body: () -> Result
) throws(SystemError) -> Result {
    while true {
        let result = body()
        if result >= 0 { return result }
        let errno = Errno(rawValue: CInt(clamping: -result))
        if errno == .interrupted { continue }
        throw SystemError(call, arguments(), errno: errno)
    }
}

/// The twin of ``check(_:_:_:)`` for calls of SystemPackage, which throw `Errno`.
@discardableResult
package func rethrow<Result>(
    _ call: String, _ arguments: @autoclosure () -> [String], _ body: () throws -> Result
) throws(SystemError) -> Result {
    do {
        return try body()
    } catch {
        throw SystemError(call, arguments(), errno: error as? Errno ?? .ioError)
    }
}
