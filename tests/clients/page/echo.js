'use strict';

const url = 'ws://' + location.host + '/echo';
const found = [];

function open() {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => resolve(socket);
    socket.onerror = () => reject(new Error('no connection'));
  });
}

function exchange(socket, message) {
  return new Promise((resolve, reject) => {
    socket.onmessage = (event) => resolve(event.data);
    socket.onclose = (event) => reject(new Error('closed with ' + event.code));
    socket.send(message);
  });
}

function same(a, b) {
  if (typeof a === 'string' || typeof b === 'string') return a === b;
  const x = new Uint8Array(a);
  const y = new Uint8Array(b);
  return x.length === y.length && x.every((byte, i) => byte === y[i]);
}

async function messages() {
  const socket = await open();
  if (socket.extensions !== '') throw new Error('extensions: ' + socket.extensions);
  for (const text of ['hello', '', '\u00e4\u20ac\u{1f600}'.repeat(10000)]) {
    if (!same(await exchange(socket, text), text)) throw new Error('text of ' + text.length);
  }
  for (const size of [0, 1, 125, 126, 65535, 65536, 1000000, 5000000]) {
    const bytes = new Uint8Array(size);
    for (let i = 0; i < size; ++i) bytes[i] = (i * 7 + size) % 251;
    if (!same(await exchange(socket, bytes), bytes.buffer)) throw new Error('bytes: ' + size);
  }
  found.push('messages');
  await new Promise((resolve, reject) => {
    socket.onclose = (event) => event.wasClean && event.code === 3001 ?
        resolve() : reject(new Error('close: ' + event.code));
    socket.close(3001, 'enough');
  });
  found.push('close');
}

async function many() {
  const sockets = await Promise.all(Array.from({length: 20}, open));
  await Promise.all(sockets.map(async (socket, i) => {
    for (let k = 0; k < 20; ++k) {
      if (await exchange(socket, i + ':' + k) !== i + ':' + k) throw new Error('mixed up');
    }
    socket.onclose = null;
    socket.close();
  }));
  found.push('many');
}

async function uploads() {
  const body = new Uint8Array(1000000).fill(42);
  const response = await fetch('/echo', {method: 'POST', body});
  if (!same(await response.arrayBuffer(), body.buffer)) throw new Error('fetch');
  const part = await fetch('/echo.js', {headers: {'Range': 'bytes=1-10'}});
  if (part.status !== 206 || await part.text() !== 'use strict') throw new Error('range');
  found.push('fetch');
}

async function all() {
  try {
    await messages();
    await many();
    await uploads();
    found.push('done');
  } catch (error) {
    found.push('FAILED: ' + error.message);
  }
  const report = new URLSearchParams(location.search).get('report');
  await fetch('http://127.0.0.1:' + report, {method: 'POST', mode: 'no-cors', body: found.join(' ')});
}

all();
