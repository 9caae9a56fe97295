/// A queue of connections that have room for a message.
struct Vacancies {
    private var places: [LoadConnection] = []
    private var taken = 0

    var isEmpty: Bool { taken == places.count }

    var first: LoadConnection? { isEmpty ? nil : places[taken] }

    mutating func append(_ connection: LoadConnection) {
        // The places before are moved out of the way when they are as many as those behind: seldom enough to cost nothing.
        if taken > 64, taken * 2 > places.count {
            places.removeFirst(taken)
            taken = 0
        }
        places.append(connection)
    }

    mutating func removeFirst() {
        taken += 1
    }
}
