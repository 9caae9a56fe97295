import ArgumentParser
import Foundation
import Lifeline
import Testing

@testable import LifelineCLI

#if canImport(FoundationXML)
import FoundationXML
#endif

@Suite("The report of bench")
struct BenchReportTests {
    private static func report(
        _ mode: BenchPlan.Mode = .echo, rate: Double? = nil, loops: Int = 2
    ) throws -> BenchReport {
        let plan = BenchPlan(
            url: try WebSocketURL("ws://127.0.0.1:8080/?a=<b>&c"), mode: mode, connections: 10, inFlight: 2,
            payload: Payload(size: 64, isText: false), rate: rate, duration: .seconds(2), warmup: .zero, loops: loops,
            client: WebSocketClientConfiguration())
        var report = BenchReport(plan, engine: "epoll")
        report.seconds = 2
        report.tally.count = 1_000_000
        report.tally.bytes = 64_000_000
        for value: UInt64 in 1...1000 { report.tally.latencies.record(value * 1_000) }
        report.loops = Array(repeating: LoopShare(worked: 0.5), count: loops)
        report.connectionsOpened = 10
        report.connectionsLeft = 10
        return report
    }

    private static func object(_ report: BenchReport) throws -> [String: Any] {
        #expect(report.json.hasSuffix("}\n") && report.json.count { $0 == "\n" } == 1)
        let object = try JSONSerialization.jsonObject(with: Data(report.json.utf8))
        return try #require(object as? [String: Any])
    }

    private static let terminal: Terminal = {
        var options = OutputOptions()
        options.color = .never
        options.ascii = true
        return .output(options)
    }()

    // MARK: JSON

    @Test("The JSON report has rates, latencies, processor time and errors")
    func json() throws {
        var report = try Self.report()
        report.server = ProcessFigures.Time(user: 0.5, system: 1)
        report.faults.note(.wrongEcho, "wrong", count: 3)
        let object = try Self.object(report)
        #expect(object["countPerSecond"] as? Double == 500_000)
        #expect(object["bytesPerSecond"] as? Double == 32_000_000)
        #expect(abs((object["latencyP50"] as? Double ?? 0) - 500) < 1)
        #expect(abs((object["latencyP99_9"] as? Double ?? 0) - 999) < 1)
        #expect(object["serverUserMicroseconds"] as? Double == 0.5)
        #expect(object["serverSystemMicroseconds"] as? Double == 1)
        #expect(object["errors"] as? Int == 3 && object["errorsWrongEcho"] as? Int == 3)
        #expect(object["errorsConnect"] as? Int == 0)
        #expect(object["generatorWasBottleneck"] as? Bool == false)
        #expect(object["rate"] is NSNull && object["serverResidentBefore"] is NSNull)
    }

    @Test("The JSON report has the same members in every mode", arguments: BenchPlan.Mode.allCases)
    func sameMembers(mode: BenchPlan.Mode) throws {
        var report = try Self.report(mode)
        let wanted = Set(try Self.object(Self.report()).keys)
        #expect(Set(try Self.object(report).keys) == wanted)
        report.tally = Tally()
        report.seconds = 0
        let object = try Self.object(report)
        #expect(Set(object.keys) == wanted)
        #expect(object["latencyP99"] is NSNull)
    }

    // MARK: The table

    @Test("The text report is a table")
    func table() throws {
        var report = try Self.report()
        report.faults.note(.lost, "\u{1B}[2Jreset")
        let text = report.table(Self.terminal).joined(separator: "\n")
        for part in [
            "1,000,000 in all", "500,000 messages/s", "32 MB/s", "p50", "p99.99", "max", "connection lost",
            "50 % of 2 cores", "10 connections on 2 loops (epoll), 2.00 s",
        ] {
            #expect(text.contains(part), "\(part) in \(text)")
        }
        #expect(!text.contains("\u{1B}") && !text.contains("WARNING"))
        #expect(text.utf8.allSatisfy { $0 < 0x80 })
    }

    @Test("A busy generator gives a warning")
    func bottleneck() throws {
        var report = try Self.report()
        report.loops = [LoopShare(worked: 0.3), LoopShare(worked: 0.95)]
        let warning = try #require(report.table(Self.terminal).last)
        #expect(warning.hasPrefix("WARNING: the generator was the bottleneck") && warning.contains("--loops"))
        #expect(try Self.object(report)["generatorWasBottleneck"] as? Bool == true)
        // Without a core of its own, it would have worked all the time.
        report.loops = [LoopShare(worked: 0.3), LoopShare(worked: 0.5, waited: 0.45)]
        #expect(report.warnings.first?.contains("worked for 50 % of the time, and waited for a core for 45 %") == true)
        report.loops = [LoopShare(worked: 0.3), LoopShare(worked: 0.8, waited: 0.05)]
        #expect(report.warnings.isEmpty)
    }

    @Test("An unreached rate gives a warning")
    func missedRate() throws {
        var report = try Self.report(rate: 500)
        report.overdue = 49
        #expect(report.warnings.isEmpty)
        report.overdue = 51
        #expect(report.warnings.count == 1 && report.warnings[0].contains("51 messages due but never sent"))
    }

    @Test("The report of mode idle has the server's memory")
    func idle() throws {
        var report = try Self.report(.idle)
        report.connectionsLeft = 8
        report.memoryBefore = ProcessFigures.Memory(resident: 1_000_000, anonymous: 500_000)
        report.memoryAfter = ProcessFigures.Memory(resident: 1_016_000, anonymous: 508_000)
        let text = report.table(Self.terminal).joined(separator: "\n")
        #expect(text.contains("8 of 10 connections") && text.contains("2,000 bytes per connection"))
        let object = try Self.object(report)
        #expect(object["serverResidentPerConnection"] as? Int == 2000)
        #expect(object["serverAnonymousPerConnection"] as? Int == 1000)
    }

    @Test(
        "Numbers are grouped by thousands",
        arguments: [
            (0, "0"), (7, "7"), (7.25, "7.3"), (999, "999"), (1000, "1,000"), (1_234_567.4, "1,234,567"),
            (-1234, "-1,234"), (.infinity, "-"),
        ] as [(Double, String)])
    func grouped(number: Double, text: String) {
        #expect(Figures.grouped(number) == text)
    }

    @Test(
        "Byte counts are printed with a unit",
        arguments: [
            (0, "0 B"), (999, "999 B"), (1000, "1 kB"), (26_432_000, "26.4 MB"), (999_999_999, "1 GB"),
            (2.5e15, "2500 TB"),
        ] as [(Double, String)])
    func bytes(number: Double, text: String) {
        #expect(Figures.bytes(number) == text)
    }

    @Test("A progress line has the figures of one second")
    func progress() throws {
        let tally = try Self.report().tally
        let line = Progress.line(tally, faults: 1, mode: .echo, seconds: 3, unicode: false)
        #expect(
            line.contains("3 s") && line.contains("1,000,000 messages/s") && line.contains("p50")
                && line.hasSuffix("1 error"))
        #expect(Progress.line(Tally(), faults: 0, mode: .connect, seconds: 1, unicode: true).hasSuffix("0 errors"))
    }

    // MARK: The plot

    @Test("The plot is well-formed, in both colour schemes", arguments: [0, 1, 9, 1000, 1_000_000])
    func plot(count: Int) throws {
        var latencies = Latencies()
        var value: UInt64 = 20_000
        for number in 0..<min(count, 1000) {
            latencies.record(value, count: max(count / 1000, 1))
            if number % 100 == 0 { value *= 2 }
        }
        let svg = LatencyPlot(latencies, title: "ws://h/?a=<b>&\"c\"", subtitle: "s").svg
        let parser = XMLParser(data: Data(svg.utf8))
        let elements = ElementNames()
        parser.delegate = elements
        #expect(parser.parse(), "\(String(describing: parser.parserError))")
        #expect(elements.names.first == "svg" && elements.names.contains("polyline"))
        #expect(svg.contains("prefers-color-scheme: dark"))
        #expect(!svg.contains("nan") && !svg.contains("inf"))
        #expect(!svg.contains("href") && !svg.contains("url("), "it needs nothing from elsewhere")
    }

    private final class ElementNames: NSObject, XMLParserDelegate {
        var names: [String] = []

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
            attributes: [String: String]
        ) {
            names.append(name)
        }
    }

    // MARK: The command line

    @Test(
        "Invalid values and combinations of options are rejected",
        arguments: [
            ["--connections", "0"], ["--in-flight", "0"], ["--loops", "0"], ["--duration", "0"], ["--rate", "0"],
            ["--rate", "nan"], ["--rate", "10", "--mode", "push"], ["--mode", "both"], ["--size", "x"],
            ["--engine", "kqueue"], ["--pid", "999999999"], ["--mode", "push", "--plot", "x.svg"],
        ])
    func wrongArguments(arguments: [String]) {
        #expect(throws: (any Error).self) { try BenchCommand.parse(arguments + ["ws://127.0.0.1/"]) }
    }

    @Test("Options have documented defaults")
    func defaults() throws {
        let command = try BenchCommand.parse(["ws://127.0.0.1/"])
        #expect(command.connections == 100 && command.inFlight == 1 && command.size.bytes == 64 && command.loops == 1)
        #expect(command.duration.duration == .seconds(10) && command.warmup.duration == .seconds(1))
        #expect(command.mode == .echo && command.rate == nil && !command.text)
    }
}
