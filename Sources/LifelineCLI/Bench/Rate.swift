/// Messages a second, on the command line.
struct Rate: LimitedArgument {
    let perSecond: Double

    static let allowed = "a number from 0.001 to 100000000"

    init?(argument: String) {
        guard let perSecond = Double(argument), (0.001...100_000_000).contains(perSecond) else { return nil }
        self.perSecond = perSecond
    }
}
