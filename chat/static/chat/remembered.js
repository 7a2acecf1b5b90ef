// What a reload must not lose: in this tab alone, until it is closed. No answers are in here: they are read again.

const NAME = "chat";
const MOST = 20; // turns
const NOTHING = { corpus: "", conversation: null, pending: "", turns: [] };

function read() {
  try { return { ...NOTHING, ...JSON.parse(sessionStorage.getItem(NAME)) }; } catch { return NOTHING; }
}

function write(what) {
  try { sessionStorage.setItem(NAME, JSON.stringify(what)); } catch { /* a browser that keeps nothing */ }
}

export const remembered = read();

export function asking(corpus, pending) { write(Object.assign(remembered, { corpus, pending })); }

export function begun({ conversation_id: conversation, message_id: message }, asked) {
  const turns = [...remembered.turns.filter((turn) => turn.message !== message), { asked, message }].slice(-MOST);
  write(Object.assign(remembered, { conversation, turns, pending: "" }));
}

export function forget() { write(Object.assign(remembered, NOTHING)); }
