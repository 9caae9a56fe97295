import Lifeline
import LifelineRelay
import Testing

@testable import LifelineCLI

@Suite("Arguments of proxy and replay") struct ProxyArgumentTests {
    @Test(
        "An address to listen on is parsed",
        arguments: [
            ("8080", "127.0.0.1", 8080), ("localhost:0", "localhost", 0), ("[::1]:65535", "::1", 65535),
            ("0.0.0.0:80", "0.0.0.0", 80),
        ])
    func listen(_ text: String, _ host: String, _ port: Int) throws {
        let address = try #require(ListenAddress(argument: text))
        #expect((address.host, address.port) == (host, port))
    }

    @Test(
        "A malformed address to listen on is rejected",
        arguments: ["", ":", "host:", ":80", "65536", "-1", "::1", "::1:80", "[]:80", "host:8o", "+80"])
    func noListen(_ text: String) {
        #expect(ListenAddress(argument: text) == nil)
    }

    @Test("A fault threshold is a duration with a unit, or a number of bytes")
    func thresholds() {
        let times = [("5s", Duration.seconds(5)), ("250ms", .milliseconds(250)), ("2m", .seconds(120))]
        for (text, time) in times { #expect(FaultThreshold(argument: text)?.threshold == .time(time), "\(text)") }
        for (text, count) in [("1000", 1000), ("64k", 65536), ("1M", 1 << 20)] {
            #expect(FaultThreshold(argument: text)?.threshold == .bytes(count), "\(text)")
        }
        for text in ["", "0", "s", "soon", "-1", "1.5", "5x"] {
            #expect(FaultThreshold(argument: text) == nil, "\(text)")
        }
    }

    @Test("JSON is compared by value")
    func json() throws {
        let value = try #require(JSONValue(#"{"a":[1,{"b":2.5,"c":null}],"d":true}"#))
        #expect(value == JSONValue(#"{ "d": true, "a": [1, {"c": null, "b": 2.5}] }"#))
        #expect(value != JSONValue(#"{"a":[1,{"b":2.5,"c":null}],"d":false}"#))
        #expect(value.without(["b", "d"]) == JSONValue(#"{"a":[1,{"c":null}]}"#))
        #expect(JSONValue("9007199254740993") != JSONValue("9007199254740992"))
        #expect(JSONValue("hello") == nil)
    }
}
