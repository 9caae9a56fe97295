// Node's ws as the other side: it sends messages, and checks that they come back. One line of JSON a connection.
//
// It serves on a free port; a connection's query has the options. And it connects where a line of its input says so.
'use strict';

const { createServer } = require('http');
const { randomBytes } = require('crypto');
const readline = require('readline');
const { WebSocket, WebSocketServer } = require('ws');

const EXTENSION = 'permessage-deflate';
const json = JSON.stringify(Array.from({ length: 4000 }, (_, id) => ({ id, name: `sensor-${id % 17}`, unit: '°C' })));
const noise = randomBytes(300000);
// A list is sent in fragments.
const messages = [
    ...[1, 2, 10, 100, 200, 1000, 5000, 20000].map((size) => json.slice(0, size)), '', Buffer.alloc(0),
    noise.subarray(0, 1000), noise.subarray(0, 1000), 'again '.repeat(40), 'again '.repeat(40), json, noise,
    ['one ', '', 'żółć', ' three'], [noise.subarray(0, 70000), noise.subarray(0, 1), noise.subarray(0, 70000)],
];
const size = messages.flat().reduce((sum, part) => sum + Buffer.byteLength(part), 0);

function report(line) {
    process.stdout.write(JSON.stringify(line) + '\n');
}

/// Sends all messages, each once the one before has come back.
function converse(id, socket) {
    let next = 0;
    let fault = null;
    const agreed = socket._extensions[EXTENSION]?.params ?? null;
    const send = () => {
        const parts = [messages[next]].flat();
        parts.forEach((part, index) => socket.send(part, { fin: index === parts.length - 1 }));
    };
    socket.on('message', (data, isBinary) => {
        const parts = [messages[next]].flat();
        const isSame = data.equals(Buffer.concat(parts.map((part) => Buffer.from(part))));
        if (!isSame || isBinary !== Buffer.isBuffer(parts[0])) fault = `message ${next} came back as another one`;
        next += 1;
        if (fault || next === messages.length) socket.close(1000); else send();
    });
    socket.on('error', (error) => { fault ??= String(error); });
    socket.on('close', (code) => {
        if (!fault && next < messages.length) fault = `closed with ${code} after ${next} messages`;
        report({ id, agreed, fault, size });
    });
    send();
}

const server = createServer();
server.on('upgrade', (request, stream, head) => {
    const query = new URL(request.url, 'http://localhost').searchParams;
    const perMessageDeflate = JSON.parse(query.get('options'));
    new WebSocketServer({ noServer: true, perMessageDeflate })
        .handleUpgrade(request, stream, head, (socket) => converse(query.get('id'), socket));
});
server.listen(0, '127.0.0.1', () => report({ id: 'server', port: server.address().port }));

readline.createInterface({ input: process.stdin }).on('line', (line) => {
    const { id, url, options } = JSON.parse(line);
    const socket = new WebSocket(url, { perMessageDeflate: options });
    socket.on('open', () => converse(id, socket));
    socket.on('error', (error) => {
        if (!socket.listenerCount('message')) report({ id, fault: String(error) });
    });
}).on('close', () => process.exit());
