import LifelineCore

extension SplitMix64 {
    /// Returns a number from 0 up to, but not including, `limit`.
    mutating func below(_ limit: Int) -> Int {
        Int(next() % UInt64(limit))
    }
}

extension RandomPool {
    /// Creates a pool that gives the same bytes each time.
    init(seed: UInt64) {
        self.init(SplitMix64(seed: seed))
    }
}
