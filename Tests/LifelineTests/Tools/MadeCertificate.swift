import Foundation
import Lifeline

/// Certificates that are made at test time, by `openssl`, to be wrong in one way each.
final class CertificateAuthority: Sendable {
    /// `nil` where there is no `openssl`.
    static let openssl: String? = ["/usr/bin/openssl", "/usr/local/bin/openssl", "/opt/homebrew/bin/openssl"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    /// What a certificate says.
    struct Wishes: Sendable {
        var commonName: String? = "x"
        /// The alternative names, as `DNS:localhost`.
        var names: [String] = []
        /// `YYYYMMDDHHMMSSZ`.
        var notBefore = "20200101000000Z"
        var notAfter = "21200101000000Z"
        /// Other lines of extensions.
        var extensions: [String] = []
    }

    private let folder: URL

    /// The authority's certificate: a root that signs itself.
    var root: PEMSource { .file(path("root.pem")) }

    /// An authority whose name is this.
    init(_ name: String) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "lifeline-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try write("index.txt", "")
        try write(
            "ca.cnf",
            """
            [ca]
            default_ca = authority
            [authority]
            database = \(path("index.txt"))
            new_certs_dir = \(folder.path)
            default_md = sha256
            rand_serial = yes
            unique_subject = no
            policy = any
            [any]
            commonName = optional
            """)
        try run(
            ["req", "-x509", "-days", "2", "-subj", "/CN=\(name)", "-addext", "basicConstraints=critical,CA:TRUE"]
                + newKey("root.key") + ["-out", path("root.pem")])
    }

    deinit {
        try? FileManager.default.removeItem(at: folder)
    }

    /// A server's certificate, signed by the authority.
    func server(_ wishes: Wishes) throws -> ServerTLS {
        let name = UUID().uuidString
        let subject = wishes.commonName.map { "/CN=\($0)" } ?? "/"
        try run(["req", "-subj", subject, "-out", path(name + ".csr")] + newKey(name + ".key"))
        var extensions = ["basicConstraints=CA:FALSE"] + wishes.extensions
        if !wishes.names.isEmpty { extensions.append("subjectAltName=" + wishes.names.joined(separator: ",")) }
        try write(name + ".cnf", "[e]\n" + extensions.joined(separator: "\n") + "\n")
        try run([
            "ca", "-batch", "-notext", "-config", path("ca.cnf"), "-cert", path("root.pem"), "-keyfile",
            path("root.key"), "-in",
            path(name + ".csr"), "-out", path(name + ".pem"), "-startdate", wishes.notBefore, "-enddate",
            wishes.notAfter,
            "-extfile", path(name + ".cnf"), "-extensions", "e",
        ])
        return ServerTLS(certificateChain: .file(path(name + ".pem")), privateKey: .file(path(name + ".key")))
    }

    private struct Failed: Error {
        let arguments: [String]
    }

    private func path(_ name: String) -> String { folder.appending(path: name).path }

    private func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: folder.appending(path: name))
    }

    private func newKey(_ name: String) -> [String] {
        ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path(name)]
    }

    private func run(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(filePath: CertificateAuthority.openssl ?? "openssl")
        process.arguments = arguments
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failed(arguments: arguments) }
    }
}
