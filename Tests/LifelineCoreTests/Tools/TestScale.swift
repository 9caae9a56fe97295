/// How much randomised tests do: some in debug builds, which run within seconds, and millions of cases in release builds.
enum TestScale {
    static let isOptimized: Bool = {
        var isDebug = false
        assert(
            {
                isDebug = true
                return true
            }())
        return !isDebug
    }()

    /// The number of rounds: `debug` as the tests are run each day, `release` where they are optimised.
    static func rounds(debug: Int, release: Int) -> Int { isOptimized ? release : debug }
}
