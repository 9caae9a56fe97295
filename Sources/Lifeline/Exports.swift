// Re-exports the protocol's types (close codes, outcomes, limits) and those of HTTP
// (requests, fields), so that users import only `Lifeline`.
@_exported public import HTTPTypes
@_exported public import LifelineCore
