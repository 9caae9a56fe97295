/// The number of a connection in a recording, on the command line.
struct ConnectionNumber: LimitedArgument {
    let value: UInt64

    static let allowed = "the number of a connection in the recording: 1, 2, …"

    init?(argument: String) {
        guard let value = UInt64(argument) else { return nil }
        self.value = value
    }
}
