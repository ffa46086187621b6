// Reads test files without running them and names the tests that they hold: paths come as JSON on stdin,
// and [path, name, line] of each test whose name is a plain string goes to stdout.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire('/usr/share/nodejs/');
const acorn = require('/usr/share/nodejs/acorn');
const walk = require('/usr/share/nodejs/acorn-walk');

function parsed(source) {
  for (const sourceType of ['module', 'script']) {
    try {
      return acorn.parse(source, {
        ecmaVersion: 'latest', sourceType, locations: true, allowHashBang: true,
        allowReturnOutsideFunction: true, allowAwaitOutsideFunction: true,
      });
    } catch {
      // The other kind is tried; a file that is neither fails when it runs.
    }
  }
  return null;
}

function isTest(callee) {
  if (callee.type === 'Identifier') return callee.name === 'test' || callee.name === 'it';
  if (callee.type !== 'MemberExpression' || callee.computed) return false;
  return isTest(callee.property) || (callee.object.type === 'Identifier' && isTest(callee.object));
}

function plain(node) {
  if (node?.type === 'Literal' && typeof node.value === 'string') return node.value;
  if (node?.type === 'TemplateLiteral' && node.expressions.length === 0) return node.quasis[0].value.cooked;
  return null;
}

const isFunction = (node) => /Function/.test(node.type);
const expected = [];
for (const path of JSON.parse(readFileSync(0, 'utf8'))) {
  const tree = parsed(readFileSync(path, 'utf8'));
  if (tree === null) continue;
  walk.simple(tree, {
    CallExpression({ callee, arguments: given, loc }) {
      const name = plain(given[0]);
      // A function among the arguments tells it from other calls of that name, such as a pattern's.
      if (name !== null && isTest(callee) && given.some(isFunction)) {
        expected.push([path, name, loc.start.line]);
      }
    },
  });
}
process.stdout.write(JSON.stringify(expected));
