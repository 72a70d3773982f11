// SPDX-License-Identifier: BSD-3-Clause
// lease-holder.mjs SOCKET REQUEST: leases, prints the reply, and lives until it is killed or its input has ended.
import { connect } from 'node:net';

const [, , path, request] = process.argv;
const socket = connect(path, () => socket.end(`${request}\n`));
socket.pipe(process.stdout, { end: false });
socket.on('close', () => process.stdin.resume().on('end', () => process.exit(0)));
