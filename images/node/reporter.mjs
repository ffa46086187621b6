// Tells what node's test runner sees, as JSON lines over the pipe that LMAC_EVENTS names.
import { writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const TOLD = new Set(['test:enqueue', 'test:pass', 'test:fail']);
const CHARACTERS = 1500;
const events = Number(process.env.LMAC_EVENTS);
// Test processes are started with this environment, and the pipe is none of theirs.
delete process.env.LMAC_EVENTS;

function tell(event) {
  let rest = Buffer.from(`${JSON.stringify(event)}\n`);
  while (rest.length > 0) rest = rest.subarray(writeSync(events, rest));
}

// The last words of each file's process, by path.
const words = new Map();

function reason(details, file) {
  const error = details?.error;
  // A whole process failed: what it wrote last says more than node does.
  if (error?.exitCode !== undefined || error?.signal) {
    return `exit code ${error.exitCode}, signal ${error.signal ?? 'none'}\n${words.get(file) ?? ''}`;
  }
  const cause = error?.cause ?? error;
  return String(cause?.stack ?? cause?.message ?? cause ?? '').slice(0, CHARACTERS);
}

export default async function* report(source) {
  for await (const { type, data } of source) {
    if (type === 'test:stderr') {
      words.set(data.file, ((words.get(data.file) ?? '') + data.message).slice(-CHARACTERS / 2));
    }
    if (!TOLD.has(type)) continue;
    const { name, line, skip, todo, details } = data;
    const file = data.file?.startsWith('file:') ? fileURLToPath(data.file) : data.file;
    const suite = details?.type === 'suite';
    tell({ type, name, file, line, skip, todo, suite, error: type === 'test:fail' ? reason(details, file) : undefined });
  }
  tell({ type: 'end' });
  yield '';
}
