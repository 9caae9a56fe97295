/// The position of a frame in its message.
public enum FragmentPosition: Hashable, Sendable {
    /// The only frame.
    case only
    /// The first of several.
    case first
    /// Neither the first nor the last.
    case middle
    /// The last of several.
    case last
}
