// The tools that several test targets share are visible in every file of this one.
@_exported public import LifelineTestSupport
