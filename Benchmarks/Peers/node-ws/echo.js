// An echo server on Node's ws, without compression unless --deflate is given; ws sets TCP_NODELAY itself.
//
// A connection to /push is a subscriber: what arrives on one of these goes to each of them.
'use strict';

const { WebSocketServer } = require('ws');

const at = process.argv.indexOf('--port');
const server = new WebSocketServer({
    host: '127.0.0.1',
    port: at > 0 ? Number(process.argv[at + 1]) : 0,
    backlog: 4096,
    perMessageDeflate: process.argv.includes('--deflate'),
    maxPayload: 16 << 20,
});
const subscribers = new Set();

server.on('listening', () => console.log(`listening ${server.address().port}`));
server.on('connection', (socket, request) => {
    socket.on('error', () => socket.terminate());
    if (request.url !== '/push') {
        socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
        return;
    }
    subscribers.add(socket);
    socket.on('close', () => subscribers.delete(socket));
    socket.on('message', (data, isBinary) => {
        for (const subscriber of subscribers) subscriber.send(data, { binary: isBinary });
    });
});
