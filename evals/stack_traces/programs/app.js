const fs = require('fs'), net = require('net'), vm = require('vm');
const [kind, value] = process.argv.slice(2);
class PaymentError extends Error { constructor(m, o) { super(m, o); this.name = 'PaymentError'; } }
function pay(f) { try { f(); } catch (e) { throw new PaymentError(`payment of order ${value} failed`, { cause: e }); } }
function raise(text) { throw new Error(text); }
async function later(f) { await null; f(); }
const kinds = {
  missing: () => pay(() => fs.readFileSync(`/srv/none/${value}`)),
  directory: () => pay(() => fs.readFileSync('/')),
  denied: () => pay(() => fs.mkdirSync(`/proc/x${value}`)),
  undefined_property: () => undefined.total,
  not_function: () => ({}).total(),
  not_defined: () => total_of(value),
  range: () => new Array(-1),
  json: () => JSON.parse('{' + value),
  recursion: () => { const f = () => f(); f(); },
  refused: () => net.connect(1, '127.0.0.1'),
  refused_any: () => fetch('http://127.0.0.1:1/' + value).catch(e => { throw e; }),
  aggregate: () => { throw new AggregateError([new Error('disk full'), new TypeError('bad row ' + value)], 'import failed'); },
  aggregate2: () => { throw new AggregateError([new Error('timeout'), new TypeError('bad row ' + value)], 'import failed'); },
  plain_timeout: () => raise(`upstream 10.0.0.9:${value} timed out`),
  plain_refused: () => raise(`upstream 10.0.0.9:${value} refused`),
  promise: () => later(() => raise(`job ${value} lost`)),
};
kinds[kind]();
