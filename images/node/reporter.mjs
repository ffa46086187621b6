// Tells what node's test runner sees, as JSON lines over the pipe that LMAC_EVENTS names.
import { writeSync } from 'node:fs';

const TOLD = new Set(['test:enqueue', 'test:pass', 'test:fail']);
const CHARACTERS = 1500;
const events = Number(process.env.LMAC_EVENTS);
// Test processes are started with this environment, and the pipe is none of theirs.
delete process.env.LMAC_EVENTS;

function tell(event) {
  let rest = Buffer.from(`${JSON.stringify(event)}\n`);
  while (rest.length > 0) rest = rest.subarray(writeSync(events, rest));
}

function reason(details) {
  const error = details?.error;
  const cause = error?.cause ?? error;
  return String(cause?.stack ?? cause?.message ?? cause ?? '').slice(0, CHARACTERS);
}

export default async function* report(source) {
  for await (const { type, data } of source) {
    if (!TOLD.has(type)) continue;
    const { name, file, line, skip, todo, details } = data;
    const suite = details?.type === 'suite';
    tell({ type, name, file, line, skip, todo, suite, error: type === 'test:fail' ? reason(details) : undefined });
  }
  tell({ type: 'end' });
  yield '';
}
