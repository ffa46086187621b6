// Parses files and executes none: paths come as JSON on stdin, and [path, line, text] of each one that node
// would refuse goes to stdout. One process for all of them: a start of node takes more than most files.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import vm from 'node:vm';

const PARAMETERS = ['exports', 'require', 'module', '__filename', '__dirname'];
const faults = [];
const types = new Map();

// What the nearest package.json says, as node looks for it. Source: node's documentation, "Packages".
function typeOf(folder) {
  if (!types.has(folder)) types.set(folder, readType(folder));
  return types.get(folder);
}

function readType(folder) {
  if (folder.split('/').pop() === 'node_modules') return 'commonjs';
  const path = join(folder, 'package.json');
  let text;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return folder === '.' ? 'commonjs' : typeOf(dirname(folder));
  }
  try {
    return JSON.parse(text)?.type === 'module' ? 'module' : 'commonjs';
  } catch (error) {
    faults.push([path, 1, `${error}`]);
    return 'commonjs';
  }
}

function isModule(path) {
  return path.endsWith('.mjs') || (!path.endsWith('.cjs') && typeOf(dirname(path)) === 'module');
}

for (const path of JSON.parse(readFileSync(0, 'utf8'))) {
  try {
    const source = readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
    if (isModule(path)) new vm.SourceTextModule(source, { identifier: path });
    else vm.compileFunction(source, PARAMETERS, { filename: path });
  } catch (error) {
    const [place, ...shown] = `${error.stack}`.split('\n');
    const line = place.startsWith(`${path}:`) ? Number(place.slice(path.length + 1)) : 0;
    const marked = line ? shown.slice(0, shown.findIndex((one) => /^\s+at /.test(one))) : [];
    faults.push([path, line || 1, [`${error}`, ...marked.slice(0, 2)].join('\n')]);
  }
}
process.stdout.write(JSON.stringify(faults));
