import Lifeline
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The subscribers of one event loop. Touched on its thread only.
final class LoopSubscribers: @unchecked Sendable {
    private var sockets: [OnLoopWebSocket] = []
    private var places: [UInt64: Int] = [:]

    func add(_ socket: OnLoopWebSocket) {
        self.places[socket.webSocket.id] = self.sockets.count
        self.sockets.append(socket)
    }

    func remove(_ socket: OnLoopWebSocket) {
        guard let place = self.places.removeValue(forKey: socket.webSocket.id) else { return }
        let last = self.sockets.removeLast()
        guard place < self.sockets.count else { return }
        self.sockets[place] = last
        self.places[last.webSocket.id] = place
    }

    func push(_ message: borrowing ReceivedMessage) {
        for socket in self.sockets { socket.send(message) }
    }

    private static let all = Mutex<[UInt: LoopSubscribers]>([:])

    /// Those of the loop that runs on the current thread.
    static var ofThisLoop: LoopSubscribers {
        #if canImport(Glibc)
        let thread = UInt(pthread_self())
        #else
        let thread = UInt(bitPattern: pthread_self())
        #endif
        return self.all.withLock { all in
            if let subscribers = all[thread] { return subscribers }
            let subscribers = LoopSubscribers()
            all[thread] = subscribers
            return subscribers
        }
    }
}

/// Sends each message that it receives to every subscriber of its loop, from where the message lies.
struct OnLoopPush: OnLoopHandler {
    private let subscribers = LoopSubscribers.ofThisLoop

    func opened(_ socket: OnLoopWebSocket) {
        self.subscribers.add(socket)
    }

    func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {
        self.subscribers.push(message)
    }

    func closed(_ outcome: CloseOutcome, on socket: OnLoopWebSocket) {
        self.subscribers.remove(socket)
    }
}
