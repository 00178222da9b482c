import Testing

@testable import Images

@Suite struct ImageBootstrapTests {
    /// Row N35.
    @Test func `the command line asks for a minimal system with what jobs need`() throws {
        let bootstrap = ImageBootstrap(suite: "bookworm", packages: ["gcc"], tool: .mmdebstrap)
        try bootstrap.validate()
        #expect(
            bootstrap.command(target: "/s/.tmp/x", eatMyData: false) == [
                "mmdebstrap", "--variant=minbase", "--include=systemd,dbus,git,python3,ca-certificates,gcc", "--quiet",
                "--mode=root", "bookworm", "/s/.tmp/x",
            ])
    }

    /// Row N41.
    @Test func `eatmydata runs the tool where it is installed`() {
        let bootstrap = ImageBootstrap(suite: "sid", mirror: "http://m/debian", tool: .debootstrap)
        #expect(
            bootstrap.command(target: "/t", eatMyData: true) == [
                "eatmydata", "debootstrap", "--variant=minbase", "--include=systemd,dbus,git,python3,ca-certificates",
                "sid", "/t", "http://m/debian",
            ])
    }

    @Test(arguments: ["", "-x", "a b", "a,b", "../x", "a\n", "é"])
    func `what a tool would take for something else is refused`(text: String) {
        #expect(throws: ImageError.self) { try ImageBootstrap(suite: text, tool: .mmdebstrap).validate() }
        #expect(throws: ImageError.self) {
            try ImageBootstrap(suite: "sid", packages: [text], tool: .mmdebstrap).validate()
        }
        #expect(throws: ImageError.self) { try ImageBootstrap(suite: "sid", mirror: text, tool: .mmdebstrap).validate() }
    }
}
