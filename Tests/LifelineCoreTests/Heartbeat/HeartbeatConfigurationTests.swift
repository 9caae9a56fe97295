import Testing

@testable import LifelineCore

@Suite("§5.5.2 heartbeat configuration")
struct HeartbeatConfigurationTests {
    @Test("By default a Ping is sent every 25 s and must be answered within 10 s")
    func defaults() {
        #expect(HeartbeatConfiguration().interval == .seconds(25))
        #expect(HeartbeatConfiguration().timeout == .seconds(10))
        #expect(HeartbeatConfiguration.disabled.interval == nil)
        #expect(EndpointConfiguration.server.heartbeat == HeartbeatConfiguration())
    }

    @Test(
        "The shortest and the longest representable intervals work",
        arguments: [
            (Duration.nanoseconds(1), Duration.nanoseconds(1)), (.nanoseconds(2), .seconds(1)),
            (.seconds(1 << 40), .seconds(1 << 40)),
        ])
    func extremes(interval: Duration, timeout: Duration) throws {
        let server = HeartbeatTests.server(interval: interval, timeout: timeout)
        let deadline = try #require(server.deadline)
        #expect(deadline >= server.now)
        server.endpoint.advance(to: deadline)
        server.drain()
        #expect(server.takeFrames().map(\.opcode) == [0x9])
        server.expectOpen()
    }

    @Test("Instants compare, subtract and saturate")
    func instants() {
        let start = MonotonicInstant(nanoseconds: -5)
        #expect(start < MonotonicInstant(nanoseconds: -4))
        #expect(start.advanced(by: .nanoseconds(10)) == MonotonicInstant(nanoseconds: 5))
        #expect(start.advanced(by: .seconds(-1)).nanoseconds == -1_000_000_005)
        #expect(start.duration(to: MonotonicInstant(nanoseconds: 7)) == .nanoseconds(12))
        #expect(
            MonotonicInstant(nanoseconds: .max - 1).advanced(by: .seconds(1)) == MonotonicInstant(nanoseconds: .max))
        #expect(
            MonotonicInstant(nanoseconds: 5).advanced(by: .seconds(Int64.max)) == MonotonicInstant(nanoseconds: .max))
    }

    @Test("Durations convert to whole nanoseconds")
    func durations() {
        #expect(Duration.milliseconds(1.5).wholeNanoseconds == 1_500_000)
        #expect(Duration(secondsComponent: 0, attosecondsComponent: 1_999_999_999).wholeNanoseconds == 1)
        #expect(Duration.seconds(Int64.max).wholeNanoseconds == .max)
        #expect(Duration.seconds(Int64.min).wholeNanoseconds == .min)
        #expect(Duration.zero.wholeNanoseconds == 0)
    }
}
