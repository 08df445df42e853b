// Keeps the page live. Without this script the page works, too: its forms lead back to it.
'use strict';

// The parts that change by themselves, and what the person chose in them.
const query = new URLSearchParams(location.search);

function show(part, html, sent) {
  // What the person typed into other forms stays, and details stay open.
  const typed = [...part.querySelectorAll('input[type=text], input[type=email]')]
    .filter(field => field.form !== sent && sent?.className !== 'again' && field.value !== field.defaultValue).map(field => [field.id, field.value]);
  const open = new Set([...part.querySelectorAll('details[open][id]')].map(d => d.id));
  Idiomorph.morph(part, html, {
    ignoreActiveValue: true,
    callbacks: {
      beforeNodeMorphed(before, after) {
        if (after.nodeName === 'DETAILS' && open.has(after.id)) after.setAttribute('open', '');
      },
    },
  });
  for (const [id, value] of typed) document.getElementById(id).value = value;
  // The field that has the focus is not touched above, but what is chosen is what the part shows.
  for (const field of part.querySelectorAll('[type=radio], [type=checkbox]')) field.checked = field.defaultChecked;
  highlight();
}

async function refresh(part) {
  const asked = `${query}`;
  const answer = await fetch(`part/${part.dataset.part}?${asked}`);
  if (!answer.ok) return;
  const html = await answer.text();
  if (asked === `${query}`) show(part, html); // else the person has chosen something else since
}

// At most one refresh runs at a time. What happens meanwhile is shown by the next.
let wanted = false, running = false;
async function refreshAll() {
  wanted = true;
  if (running || document.hidden) return;
  running = true;
  while (wanted && !document.hidden) {
    wanted = false;
    try {
      for (const part of document.querySelectorAll('[data-live]')) await refresh(part);
    } catch {
      break; // the system has ended, or will be asked again at the next event
    }
  }
  running = false;
}

document.addEventListener('submit', async event => {
  const form = event.target;
  event.preventDefault();
  if (form.method === 'get') return choose(form);
  const part = form.closest('[data-part]');
  const fields = new URLSearchParams(new FormData(form, event.submitter));
  fields.set('query', query);
  part.setAttribute('aria-busy', 'true');
  try {
    const answer = await fetch(form.action, { method: 'POST', body: fields, headers: { 'X-Part': '1' } });
    if (answer.ok) show(part, await answer.text(), form);
    else if (answer.status === 403) location.reload();
    else tell('Not sent: a field is too long, or what you pressed is not there any more.', true);
  } catch {
    tell(ended, true);
  } finally {
    part.removeAttribute('aria-busy');
  }
});

function choose(form) {
  for (const field of form.elements) if (field.name) query.delete(field.name);
  for (const [name, value] of new FormData(form)) if (value) query.set(name, value);
  history.replaceState(null, '', `?${query}${location.hash}`);
  return refresh(form.closest('[data-part]'));
}

document.addEventListener('change', event => {
  const form = event.target.closest('form[data-query]');
  if (form) choose(form);
});

// The same token, wherever it is, is marked while the pointer or the focus is on one.
let marked = '';
function highlight() {
  for (const token of document.querySelectorAll('[data-token]')) {
    token.classList.toggle('same', token.dataset.token === marked);
  }
}
for (const [kind, mark] of [['mouseover', true], ['focusin', true], ['mouseout', false], ['focusout', false]]) {
  document.addEventListener(kind, event => {
    const token = event.target.closest?.('[data-token]');
    if (!token) return;
    marked = mark ? token.dataset.token : '';
    highlight();
  });
}

const live = document.getElementById('live');
const ended = 'Not live: the local system does not answer. If it has ended, start it again, and open the address that it prints then.';

// tell says how live the page is. Lost shows it over the page, wherever the person is.
function tell(text, lost) {
  if (live.textContent !== text) live.textContent = text; // else a screen reader would say it again
  live.classList.toggle('lost', lost);
}

// A window that nobody sees does not listen: a browser has few connections to a host for all its windows.
let events, busy = false;
function listen() {
  events?.close();
  if (document.hidden) return;
  events = new EventSource('events');
  events.addEventListener('busy', message => {
    busy = true;
    tell(`Not live: ${message.data} other windows show this page. Close one, and this one goes on.`, true);
  });
  events.onerror = () => { if (!busy) tell(ended, true); };
  events.onmessage = message => {
    busy = false;
    tell('Live: what changes is shown at once.', false);
    const main = document.querySelector('main');
    if (main.dataset.seq !== message.data) refreshAll();
    main.dataset.seq = ''; // what follows is newer than the page as it was sent
  };
}
document.addEventListener('visibilitychange', listen);
listen();
