// `import Lifeline` is all that a user writes: the words of the protocol (close codes, outcomes, limits) and of HTTP
// (requests, fields) come with it.
@_exported public import HTTPTypes
@_exported public import LifelineCore
