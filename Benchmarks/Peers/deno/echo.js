// An echo server on Deno's own WebSockets, which have no compression as servers; Deno sets TCP_NODELAY itself.
//
// A connection to /push is a subscriber: what arrives on one of these goes to each of them.

const at = Deno.args.indexOf('--port');
const subscribers = new Set();

Deno.serve(
    {
        hostname: '127.0.0.1',
        port: at >= 0 ? Number(Deno.args[at + 1]) : 0,
        onListen: ({ port }) => console.log(`listening ${port}`),
    },
    (request) => {
        const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
        socket.binaryType = 'arraybuffer';
        socket.onerror = () => {};
        if (new URL(request.url).pathname !== '/push') {
            socket.onmessage = (event) => socket.send(event.data);
            return response;
        }
        subscribers.add(socket);
        socket.onclose = () => subscribers.delete(socket);
        socket.onmessage = (event) => {
            for (const subscriber of subscribers) {
                if (subscriber.readyState === WebSocket.OPEN) subscriber.send(event.data);
            }
        };
        return response;
    },
);
