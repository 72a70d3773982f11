// SPDX-License-Identifier: BSD-3-Clause
/** The process of the wires between the hosts of a lab. lab/src/wires.ts starts it; it ends when that is gone. */
import path from 'node:path';
import { checkImpairment } from './impairment.js';
import { Port } from './port.js';
import { type Question, type Reply, type Request, type WireSetUp, portName } from './protocol.js';
import { Switch } from './switch.js';

const setUp = JSON.parse(process.argv[2]!) as WireSetUp;
const ports = new Map<string, Port>();

function answer(question: Question): void {
  if (question.ask === 'counters') {
    return;
  }
  for (const name of question.ports) {
    for (const direction of question.directions) {
      const lane = ports.get(name)!.lane(direction);
      if (question.ask === 'impair') {
        lane.impairment = checkImpairment({ ...lane.impairment, ...question.change });
      } else {
        lane.lose(question.count);
      }
    }
  }
}

const reply = (message: Reply): void => void process.send!(message);

process.on('disconnect', () => process.exit(0));
process.on('message', (request: Request) => {
  try {
    answer(request);
    reply({ id: request.id, counters: Object.fromEntries([...ports].map(([name, port]) => [name, port.counters])) });
  } catch (error) {
    reply({ id: request.id, error: (error as Error).message });
  }
});

for (const wire of setUp.wires) {
  const shared = new Switch<Port>();
  for (const host of setUp.hosts) {
    const name = portName(host, wire);
    const port = new Port(name, setUp.seed, shared);
    ports.set(name, port);
    await port.listen(path.join(setUp.folder, name));
  }
}
reply({ id: 0 });
