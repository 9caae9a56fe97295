import Testing

@testable import LifelineCore

@Suite("Secrets in text") struct SecretTextTests {
    @Test(
        "The values of secret parameters are replaced, however their names are written",
        arguments: [
            ("/a?token=SECRET", "/a?token=[redacted]"),
            ("/a?b=c&access_token=SECRET&d=e", "/a?b=c&access_token=[redacted]&d=e"),
            ("/a?t%6Fken=SECRET", "/a?t%6Fken=[redacted]"),
            ("/a?%74%6f%6b%65%6e=SECRET", "/a?%74%6f%6b%65%6e=[redacted]"),
            ("/a?t%256Fken=SECRET", "/a?t%256Fken=[redacted]"), ("/a?accessToken=SECRET", "/a?accessToken=[redacted]"),
            ("/a?ACCESS-TOKEN=SECRET", "/a?ACCESS-TOKEN=[redacted]"),
            ("/a?csrf_token=SECRET", "/a?csrf_token=[redacted]"),
            ("/a?X-Amz-Signature=SECRET", "/a?X-Amz-Signature=[redacted]"), ("/a?sig=SECRET%3D", "/a?sig=[redacted]"),
            ("/a?api_key=SECRET&apikey=SECRET", "/a?api_key=[redacted]&apikey=[redacted]"),
            ("/a?auth[token]=SECRET", "/a?auth[token]=[redacted]"),
            ("/a;jsessionid=SECRET", "/a;jsessionid=[redacted]"),
            ("/a?x=1;token=SECRET;SECRET", "/a?x=1;token=[redacted]"),
            ("/a?token=SECRET\"SECRET", "/a?token=[redacted]"),
            ("/a?token=a=SECRET", "/a?token=[redacted]"), ("/a?token=", "/a?token="), ("/a?token", "/a?token"),
            ("/a?next=%2Fws%3Ftoken%3DSECRET", "/a?next=[redacted]"),
            ("/a?next=https%3A%2F%2Fu%3ASECRET%40h%2F", "/a?next=[redacted]"),
            ("/a?next=ws://u:SECRET@h/b", "/a?next=ws://[redacted]@h/b"),
            ("/?token=x&token=SECRET", "/?token=[redacted]&token=[redacted]"),
            ("/?x=%7B%22token%22%3A%22SECRET%22%7D", "/?x=[redacted]"),
            (#"/?x={"token":"SECRET","a":1}"#, #"/?x={"token":"[redacted]","a":1}"#),
            (#"/?x={"a":{"token":{"b":"SECRET"}}}"#, #"/?x={"a":{"token":"[redacted]""#),
        ])
    func targets(target: String, shown: String) {
        #expect(SecretText.redacted(target: target) == shown)
        #expect(SecretText.redacted(target: shown) == shown, "what is redacted stays")
    }

    @Test(
        "Text without secrets is unchanged",
        arguments: [
            "/", "/chat?room=1&name=%C3%A4", "/token/1", "/a?tokens=3", "/a?monkey=1", "/a?keyboard=qwerty",
            "/a?x=token", "/a?=b", "/a?&&",
            "/a%2Fb?c=%", "/a?signal=1", "/author?a=b",
        ])
    func harmless(target: String) {
        #expect(SecretText.redacted(target: target) == target)
    }

    @Test(
        "URLs and credentials inside a sentence are redacted",
        arguments: [
            ("no connection to ws://user:SECRET@host:1/a", "no connection to ws://[redacted]@host:1/a"),
            ("https://h/a?sig=SECRET: refused", "https://h/a?sig=[redacted] refused"),
            ("<https://h/?token=SECRET>; rel=next", "<https://h/?token=[redacted]>; rel=next"),
            ("bad Bearer SECRETSECRET here", "bad Bearer [redacted] here"),
            ("basic U0VDUkVUOlNFQ1JFVA==", "basic [redacted]"),
            (#"no JSON: {"token" : "SE\"CRET", "a":1}"#, #"no JSON: {"token" : "[redacted]", "a":1}"#),
            (#"no JSON: "{\"token\":\"SE\\\"CRET\",\"a\":1}""#, #"no JSON: "{\"token\":\"[redacted]\",\"a\":1}""#),
            (#"{"token":12345,"a":1}"#, #"{"token":"[redacted]","a":1}"#),
            ("wrong token=SECRET", "wrong token=[redacted]"), ("token=SECRET", "token=[redacted]"),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.SECRET said", "[redacted] said"),
            ("ws://a:SECRET@b:SECRET@host/", "ws://[redacted]@host/"),
            ("wss://SECRET@[::1]/", "wss://[redacted]@[::1]/"),
            ("https://app/#access_token=SECRET&x=1", "https://app/#access_token=[redacted]&x=1"),
            ("ws://h/?token=…", "ws://h/?token=…"), ("mail a@b.example", "mail a@b.example"),
            ("'http:SECRET@x' is no URL", "'http:[redacted]@x' is no URL"),
            ("user:SECRET@host", "user:[redacted]@host"), ("ws://h/a@b", "ws://h/a@b"),
            ("unexpected token: }", "unexpected token: }"), ("a basic truth", "a basic truth"),
            ("Basic authentication is needed", "Basic authentication is needed"),
        ])
    func words(text: String, shown: String) {
        #expect(SecretText.redacted(text) == shown)
        #expect(!SecretText.redacted(text).contains("SECRET"))
    }

    @Test(
        "Subprotocols that are tokens are replaced",
        arguments: [
            ("chat.v2", "chat.v2"), ("graphql-transport-ws, graphql-ws", "graphql-transport-ws, graphql-ws"),
            ("v5.channel.k8s.io", "v5.channel.k8s.io"), ("bearer, SECRET", "bearer, [redacted]"),
            ("chat, access_token,SECRET, other", "chat, access_token,[redacted], other"),
            ("Authorization, SECRET", "Authorization, [redacted]"),
            ("base64url.bearer.authorization.k8s.io.SECRET, base64.binary.k8s.io", "[redacted], base64.binary.k8s.io"),
            ("bearer.SECRET", "[redacted]"), ("access_token-SECRET", "[redacted]"), ("x-api-key~SECRET", "[redacted]"),
            ("chat, eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.SECRET", "chat, [redacted]"),
            ("chat, 0123456789abcdef0123456789abcdef", "chat, [redacted]"), ("", ""), (",", ","),
        ])
    func subprotocols(value: String, shown: String) {
        #expect(SecretText.redacted(subprotocols: value) == shown)
    }

    @Test("Redaction accepts any text, and is idempotent")
    func anyText() {
        var random = SplitMix64(seed: 7)
        let parts = [
            "://", "@", "?", "&", "=", "%", "%3D", "%25", "token", "Bearer ", "eyJ", ".", " ", "\"", "ü", "a", "/", "#",
            ";", "\u{0}",
        ]
        for _ in 0..<TestScale.rounds(debug: 2_000, release: 200_000) {
            let count = Int.random(in: 0..<16, using: &random)
            let text = (0..<count).map { _ in parts.randomElement(using: &random) ?? "" }.joined()
            let once = SecretText.redacted(text)
            #expect(SecretText.redacted(once) == once, "\(text.debugDescription)")
            let target = SecretText.redacted(target: text)
            #expect(SecretText.redacted(target: target) == target, "\(text.debugDescription)")
        }
    }
}
