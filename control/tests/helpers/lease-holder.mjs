// SPDX-License-Identifier: BSD-3-Clause
// lease-holder.mjs SOCKET REQUEST [release]: leases, prints the reply, and lives until it is killed or its input has ended; then it
// gives its VFs back, if it is told to.
import { connect } from 'node:net';

const [, , path, request, how] = process.argv;

function ask(line) {
  return new Promise((resolve) => {
    let reply = '';
    const socket = connect(path, () => socket.end(`${line}\n`));
    socket.on('data', (chunk) => (reply += chunk));
    socket.pipe(process.stdout, { end: false });
    socket.on('close', () => resolve(reply));
  });
}

const { lease } = JSON.parse((await ask(request)) || '{}');
process.stdin.resume().on('end', async () => {
  if (how === 'release' && lease !== undefined) {
    await ask(JSON.stringify({ v: 1, op: 'release', lease }));
  }
  process.exit(0);
});
