import Lifeline

/// A certificate for tests, which signs itself, for `localhost` and no other name, from 2020 to 2120. Nobody trusts it
/// but who is told to.
///
/// Made with `openssl ca -selfsign`, basicConstraints CA:TRUE, subjectAltName DNS:localhost.
enum TestCertificate {
    static let certificate = PEMSource.text(
        """
        -----BEGIN CERTIFICATE-----
        MIIBazCCARGgAwIBAgIBATAKBggqhkjOPQQDAjAZMRcwFQYDVQQDDA5MaWZlbGlu
        ZSB0ZXN0czAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowGTEXMBUG
        A1UEAwwOTGlmZWxpbmUgdGVzdHMwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQV
        7LSE2+KMQ4vD9him7MHlA1zpMjo/3/yOoO4l/pNhrA/pmYoiAiQQ0f6/QTLCsYyI
        lsZ5T/eUFd67IFcLd65Ao0gwRjAPBgNVHRMBAf8EBTADAQH/MB0GA1UdDgQWBBTK
        cytwEjAZyp1mifwwIn+FcDHKpDAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZI
        zj0EAwIDSAAwRQIhAKjksO8T9yljt0ATVZ20lBBaeo896PVOWXB1xQ9RPMp/AiAv
        QgEZCJ5NauQlQ478tqVptc7w5aSdGQH2w9WrVyn2MA==
        -----END CERTIFICATE-----
        """)

    /// Its key, which is public, and guards nothing.
    static let privateKey = PEMSource.text(
        """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgVgGFOhQba8eW8v13
        JnhUoKr+fzdGdj+9l33wXRgxWdWhRANCAAQV7LSE2+KMQ4vD9him7MHlA1zpMjo/
        3/yOoO4l/pNhrA/pmYoiAiQQ0f6/QTLCsYyIlsZ5T/eUFd67IFcLd65A
        -----END PRIVATE KEY-----
        """)

    /// A certificate that has nothing to do with the other.
    static let stranger = PEMSource.text(
        """
        -----BEGIN CERTIFICATE-----
        MIIBVjCB/aADAgECAgEBMAoGCCqGSM49BAMCMBoxGDAWBgNVBAMMD0xpZmVsaW5l
        IHRlc3RzMjAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowGjEYMBYG
        A1UEAwwPTGlmZWxpbmUgdGVzdHMyMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
        dk5AnLggIZEF6n6UZ6QqmhOrI4chD0QgHQiNJvTuEpX/2EBcaUYgOwb2XuXMTfSE
        XdCD3AFyoHKG5aYeYbBp26MyMDAwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQU
        ts5j/QRbVz1p+X5spvS0JPu3i3IwCgYIKoZIzj0EAwIDSAAwRQIhAKyo4g21wBzc
        RsCewiF438r6IAIMaOhp98QLxz7f1kPoAiAmynsBpkLP1YHLDFyXYKJEZUjy2Bbk
        vGvS6OCLo6w4eg==
        -----END CERTIFICATE-----
        """)

    static var server: ServerTLS { ServerTLS(certificateChain: certificate, privateKey: privateKey) }
}
