import Testing

extension Tag {
    /// Tests over real sockets of the loopback interface, and in real time.
    @Tag static var sockets: Self
}
