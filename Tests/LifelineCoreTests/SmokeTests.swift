import Testing

@testable import LifelineCore

@Test func acceptKeyOfTheRFC() {
    #expect(AcceptKey.answering("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
}
