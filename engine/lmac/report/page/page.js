'use strict';
(async () => {
  if (typeof DecompressionStream === 'undefined') {
    document.getElementById('too-old').hidden = false;
    return;
  }
  const packed = Uint8Array.from(atob(document.getElementById('data').textContent), (letter) => letter.charCodeAt(0));
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
  const data = JSON.parse(await new Response(unpacked).text());
  const ABSENT = -1, MOST_LINES = 7000, CONTEXT_LINES = 3, MOST_EDITS = 1200;

  const element = (tag, kind, ...children) => {
    const made = document.createElement(tag);
    if (kind) made.className = kind;
    made.append(...children.filter((child) => child !== null && child !== ''));
    return made;
  };
  const text = (index) => index === ABSENT ? '' : data.texts[index];
  const known = (index) => typeof text(index) === 'string';
  const shown = (index) => known(index) ? text(index) : '(there was no room for this in the page; it lies in the run\u2019s folder)';

  // Colours: one pass over the text with one pattern a language, none of which can go back over what it read.
  const STRINGS = '"(?:[^"\\\\\\n]|\\\\[^])*"?|\'(?:[^\'\\\\\\n]|\\\\[^])*\'?';
  const language = (words, comment, strings = STRINGS) => ({
    words: new Set(words.split(' ')),
    pattern: new RegExp(`(${comment})|(${strings})|(\\b\\d[\\w.]*)|([A-Za-z_$][\\w$]*)`, 'g'),
  });
  const PYTHON = language('and as assert async await break class continue def del elif else except finally for from global if import in is lambda match case nonlocal not or pass raise return try while with yield None True False',
    '#[^\\n]*', `[rbfuRBFU]{0,2}(?:"""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|${STRINGS})`);
  const SCRIPT = language('abstract as async await break case catch class const continue debugger default delete do else enum export extends false finally for from function get if implements import in instanceof interface let new null of private protected public readonly return set static super switch this throw true try type typeof undefined var void while with yield',
    '//[^\\n]*|/\\*[^]*?(?:\\*/|$)', `${STRINGS}|\`(?:[^\`\\\\]|\\\\[^])*\`?`);
  const C_LIKE = language('auto bool break case char class const continue default defer do double else enum extern false final float fn for func go goto if impl import in int interface let long loop match mod mut nil null package private protected pub public return self short static struct super switch this throw trait true try type union unsigned use using var virtual void where while', '//[^\\n]*|/\\*[^]*?(?:\\*/|$)');
  const CONFIG = language('true false null yes no on off', '#[^\\n]*');
  const SHELL = language('case do done elif else esac exit export fi for function if in local return set then until while', '#[^\\n]*');
  const QUERY = language('add alter and as asc by create delete desc distinct drop from group having in index inner insert into is join key left like limit not null on or order primary references select set table union unique update values where', '--[^\\n]*|/\\*[^]*?(?:\\*/|$)');
  const MARKUP = { words: new Set(), pattern: /(<!--[^]*?(?:-->|$))|("[^"\n]*"?)|(\b\d[\w.]*)|(<\/?[A-Za-z][\w:-]*)/g };
  const PROSE = { words: new Set(), pattern: /(^>[^\n]*)|(`[^`\n]*`?)|(^ {0,3}(?:[-*]|\d+\.) )|(^#{1,6} [^\n]*)/gm };
  const LANGUAGES = { py: PYTHON, pyi: PYTHON, js: SCRIPT, mjs: SCRIPT, cjs: SCRIPT, jsx: SCRIPT, ts: SCRIPT, tsx: SCRIPT, json: SCRIPT, c: C_LIKE, h: C_LIKE, cc: C_LIKE, cpp: C_LIKE, hpp: C_LIKE, java: C_LIKE, go: C_LIKE, rs: C_LIKE, kt: C_LIKE, cs: C_LIKE, css: C_LIKE, yaml: CONFIG, yml: CONFIG, toml: CONFIG, ini: CONFIG, cfg: CONFIG, sh: SHELL, bash: SHELL, sql: QUERY, html: MARKUP, htm: MARKUP, xml: MARKUP, svg: MARKUP, md: PROSE };
  const languageOf = (path) => Object.hasOwn(LANGUAGES, path.split('.').pop().toLowerCase()) ? LANGUAGES[path.split('.').pop().toLowerCase()] : null;

  const tokens = (source, told) => {
    if (!told) return [['', source]];
    const found = [];
    let at = 0, before = '';
    told.pattern.lastIndex = 0;
    for (let match; (match = told.pattern.exec(source));) {
      if (!match[0]) { told.pattern.lastIndex++; continue; }
      if (match.index > at) found.push(['', source.slice(at, match.index)]);
      const word = match[4];
      let kind = match[1] ? 't-c' : match[2] ? 't-s' : match[3] ? 't-n' : '';
      if (word) kind = told === PROSE ? 't-h' : told === MARKUP || told.words.has(told === QUERY ? word.toLowerCase() : word) ? 't-k' : /^(?:def|class|function|fn|func)$/.test(before) ? 't-d' : '';
      if (word) before = word;
      found.push([kind, match[0]]);
      at = told.pattern.lastIndex;
    }
    if (at < source.length) found.push(['', source.slice(at)]);
    return found;
  };

  // Nodes of each line of a text.
  const lineNodes = (source, path) => {
    const lines = [[]];
    for (const [kind, part] of tokens(source, languageOf(path))) {
      part.split('\n').forEach((piece, index) => {
        if (index) lines.push([]);
        if (piece) lines[lines.length - 1].push(kind ? element('span', kind, piece) : piece);
      });
    }
    if (lines.length > 1 && !lines[lines.length - 1].length) lines.pop();
    return lines;
  };
  const numbered = (source, path) => {
    const lines = lineNodes(source, path), made = element('div', 'lines counted');
    for (const line of lines.slice(0, MOST_LINES)) made.append(element('span', 'l', ...line));
    if (lines.length > MOST_LINES) made.append(element('p', 'muted small', `and ${lines.length - MOST_LINES} more lines`));
    return made;
  };

  // Differences by lines. Source: Myers, An O(ND) Difference Algorithm, 1986.
  const difference = (before, after) => {
    let head = 0, tail = 0;
    while (head < before.length && head < after.length && before[head] === after[head]) head++;
    while (tail < before.length - head && tail < after.length - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++;
    const a = before.slice(head, before.length - tail), b = after.slice(head, after.length - tail);
    const steps = [];
    for (let i = 0; i < head; i++) steps.push([' ', i, i]);
    for (const [sign, i, j] of middle(a, b)) steps.push([sign, i + head, j + head]);
    for (let i = tail; i > 0; i--) steps.push([' ', before.length - i, after.length - i]);
    return steps;
  };
  const middle = (a, b) => {
    const most = Math.min(a.length + b.length, MOST_EDITS), reach = new Int32Array(2 * most + 3), trace = [], centre = most + 1;
    for (let d = 0; d <= most; d++) {
      for (let k = -d; k <= d; k += 2) {
        let x = k === -d || (k !== d && reach[centre + k - 1] < reach[centre + k + 1]) ? reach[centre + k + 1] : reach[centre + k - 1] + 1;
        while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
        reach[centre + k] = x;
        if (x >= a.length && x - k >= b.length) return walkedBack(a, b, trace, d);
      }
      trace.push(reach.slice(centre - d - 1, centre + d + 2));
    }
    // Too different to be worth the search.
    return [...a.map((_, i) => ['-', i, 0]), ...b.map((_, j) => ['+', 0, j])];
  };
  const walkedBack = (a, b, trace, edits) => {
    const steps = [];
    let x = a.length, y = b.length;
    for (let d = edits; d > 0; d--) {
      const reach = trace[d - 1], at = (k) => k < -d || k > d ? -1 : reach[k + d], k = x - y;
      const down = k === -d || (k !== d && at(k - 1) < at(k + 1)), from = down ? k + 1 : k - 1, fromX = at(from), fromY = fromX - from;
      while (x > fromX && y > fromY && !(x === fromX + (down ? 0 : 1) && y === fromY + (down ? 1 : 0))) { x--; y--; steps.push([' ', x, y]); }
      if (down) { y--; steps.push(['+', x, y]); } else { x--; steps.push(['-', x, y]); }
    }
    while (x > 0 && y > 0) { x--; y--; steps.push([' ', x, y]); }
    return steps.reverse();
  };
  const linesOf = (source) => { const lines = source.split('\n'); if (lines[lines.length - 1] === '') lines.pop(); return lines; };
  const compared = (before, after, path) => {
    const steps = difference(linesOf(before), linesOf(after)), old = lineNodes(before, path), now = lineNodes(after, path);
    const near = new Uint8Array(steps.length);
    steps.forEach(([sign], index) => { if (sign !== ' ') near.fill(1, Math.max(index - CONTEXT_LINES, 0), index + CONTEXT_LINES + 1); });
    const made = element('div', 'lines diff');
    let hidden = 0, count = 0;
    const gap = () => { if (hidden) made.append(element('span', 'l gap', `${hidden} line${hidden > 1 ? 's' : ''} as before`)); hidden = 0; };
    for (let index = 0; index < steps.length && count < MOST_LINES; index++) {
      const [sign, i, j] = steps[index];
      if (!near[index]) { hidden++; continue; }
      gap();
      count++;
      // A node stands in one place: a line that stayed is taken from the new text.
      made.append(element('span', sign === '+' ? 'l add' : sign === '-' ? 'l del' : 'l', ...((sign === '-' ? old[i] : now[j]) || [])));
    }
    gap();
    return made;
  };
  const change = ([path, before, after]) => {
    const what = before === ABSENT ? 'new' : after === ABSENT ? 'deleted' : 'changed';
    const body = (before === ABSENT || known(before)) && (after === ABSENT || known(after)) ? compared(text(before), text(after), path) : element('pre', '', shown(after === ABSENT ? before : after));
    return element('div', 'box', element('div', 'head', element('span', 'mono', path), element('span', 'muted', what)), body);
  };

  // Calls
  const messagesOf = (call) => {
    const chain = [];
    for (let one = call; one; one = one.a ? data.calls[one.a - 1] : null) {
      chain.push(one);
      if (chain.length > data.calls.length) break;
    }
    let messages = [];
    for (const one of chain.reverse()) messages = [...messages.slice(0, one.k || 0), ...one.m];
    return messages;
  };
  const preview = (source) => source.slice(0, 400).split('\n').map((line) => line.trim()).find(Boolean)?.slice(0, 110) || '';
  const message = ([role, content, calls], isNew) => {
    const made = element('details', isNew ? 'new' : '', element('summary', '', element('span', 'role', role), ' ', element('span', 'muted', preview(shown(content)))));
    made.addEventListener('toggle', () => { if (made.children.length === 1) made.append(element('pre', '', shown(content) + (calls === ABSENT ? '' : `\n\n${shown(calls)}`))); }, { once: true });
    return made;
  };
  const verdict = ([kind, green, checks]) => {
    const rows = checks.map(([name, light, words, findings]) => {
      const list = element('ul', 'findings');
      for (const [where, content, blocking] of findings) list.append(element('li', blocking ? '' : 'remark', element('span', 'mono', where), element('pre', '', shown(content))));
      return element('tr', '', element('td', 'mark', element('span', `dot ${light}`, { green: '\u2713', red: '\u2715' }[light] || '\u2013')), element('th', '', name), element('td', 'wide', words, list));
    });
    return element('div', 'scroll', element('table', '', element('tbody', '', ...rows)));
  };
  const section = (title, ...children) => children.length ? [element('h4', '', title), ...children] : [];
  const fill = (details) => {
    const inside = details.querySelector('.inside');
    if (inside.children.length) return;
    const call = data.calls[Number(details.id.slice(5)) - 1];
    const messages = messagesOf(call), kept = call.k || 0;
    const actions = call.d.map(([name, path, words, ok, told, changes]) => element('div', '',
      element('div', 'box', element('div', 'head', element('span', '', element('b', '', name || 'unreadable'), ' ', element('span', 'mono', path), words ? ` ${words}` : ''), element('span', 'muted', ok ? '' : 'refused')), element('pre', '', shown(told))),
      ...changes.map(change)));
    inside.append(
      ...section('What the machine did besides', ...(call.o || []).map(([kind, said]) => element('p', 'small', element('b', '', kind), said ? `: ${said}` : ''))),
      ...section('Reply', ...(call.r === ABSENT ? [] : [element('div', 'box', element('pre', '', shown(call.r)))]), ...(call.c === undefined ? [] : [element('div', 'box', element('div', 'head', 'native calls'), element('pre', '', shown(call.c)))])),
      ...section('Actions and what the model was told', ...actions),
      ...section('Files put back or delivered', ...(call.x || []).map(change)),
      ...section('Verdict', ...(call.v || []).map(verdict)),
      ...section(`Request: ${messages.length} message${messages.length === 1 ? '' : 's'}, ${messages.length - kept} of them new`, element('div', 'box', ...messages.map((one, index) => message(one, index >= kept)))),
    );
  };
  const calls = [...document.querySelectorAll('details.call')];
  for (const details of calls) details.addEventListener('toggle', () => { if (details.open) fill(details); });

  const filters = document.getElementById('filters');
  filters.hidden = calls.length < 2;
  filters.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (!button) return;
    for (const each of filters.querySelectorAll('button')) each.setAttribute('aria-pressed', String(each === button));
    for (const each of calls) each.hidden = button.dataset.flag !== '' && !each.dataset.flags.split(' ').includes(button.dataset.flag);
  });
  document.addEventListener('keydown', (event) => {
    if (!['j', 'k'].includes(event.key) || event.ctrlKey || event.metaKey || event.altKey || event.target.closest('select, input')) return;
    const there = calls.filter((each) => !each.hidden), at = there.findIndex((each) => each.contains(document.activeElement));
    const next = there[event.key === 'j' ? at + 1 : Math.max(at - 1, 0)];
    if (!next) return;
    next.querySelector('summary').focus();
    next.scrollIntoView({ block: 'nearest' });
  });

  // Files
  const viewer = document.getElementById('viewer'), entries = [...document.querySelectorAll('.tree a')];
  const openFile = (number, version, asChanges) => {
    const [path, versions] = data.files[number];
    const chosen = version ?? versions.length - 1, [call, content] = versions[chosen], before = chosen ? versions[chosen - 1][1] : ABSENT;
    entries.forEach((entry, index) => index === number ? entry.setAttribute('aria-current', 'true') : entry.removeAttribute('aria-current'));
    const select = element('select', '');
    select.setAttribute('aria-label', 'Version');
    versions.forEach(([at, held], index) => {
      const option = element('option', '', `version ${index + 1}: ${at ? `call ${at}` : 'the start'}${held === ABSENT ? ', deleted' : ''}`);
      option.selected = index === chosen;
      select.append(option);
    });
    select.addEventListener('change', () => { openFile(number, select.selectedIndex, asChanges); viewer.querySelector('select').focus(); });
    const toggle = element('button', '', 'changes');
    toggle.type = 'button';
    toggle.setAttribute('aria-pressed', String(asChanges));
    toggle.addEventListener('click', () => { openFile(number, chosen, !asChanges); viewer.querySelector('button').focus(); });
    const bar = element('div', 'head bar', element('span', 'path mono', path), versions.length > 1 ? select : null, chosen ? toggle : null);
    if (call) {
      const link = element('a', '', `call ${call}`);
      link.href = `#call-${call}`;
      bar.append(link);
    }
    const canCompare = asChanges && chosen && [before, content].every((index) => index === ABSENT || known(index));
    const body = canCompare ? compared(text(before), text(content), path) : content === ABSENT ? element('p', 'muted', ' deleted') : known(content) ? numbered(text(content), path) : element('pre', '', shown(content));
    viewer.replaceChildren(element('div', 'box', bar, body));
  };

  const follow = () => {
    const [kind, number] = location.hash.slice(1).split('-');
    if (kind === 'call' && data.calls[number - 1]) {
      const details = document.getElementById(`call-${Number(number)}`);
      details.hidden = false;
      details.open = true;
      fill(details);
      details.scrollIntoView({ block: 'start' });
    }
    if (kind === 'file' && data.files[number]) {
      openFile(Number(number), undefined, false);
      document.getElementById('files').scrollIntoView({ block: 'start' });
    }
  };
  addEventListener('hashchange', follow);
  if (data.files.length) openFile(0, undefined, false);
  follow();
  document.documentElement.dataset.ready = 'yes';
})();
