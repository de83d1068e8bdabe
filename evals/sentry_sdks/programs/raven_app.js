const Raven = require('raven');

class GatewayError extends Error {}

function fetchOrders(number, variant) {
  const host = `10.0.${variant}.7`;
  if (number === 1) throw new Error(`connect ECONNREFUSED ${host}:${5000 + variant}`);
  if (number === 2) throw new Error(`timed out after ${variant}000 ms: ${host}`);
  throw new Error(`ENOSPC: no space left on device, write '/data/${variant}/orders.db'`);
}
function parse(text) {
  return text.missing.field;
}
function convert(text) {
  return text.missing.field;
}
const kinds = {
  refused: (v) => fetchOrders(1, v),
  timeout: (v) => fetchOrders(2, v),
  disk_full: (v) => fetchOrders(3, v),
  bad_number: () => parse({}),
  bad_number_elsewhere: () => convert({}),
};
Raven.config(process.argv[2], { release: 'shop@1.0.1' }).install();
(async () => {
  await null; // so that all three have the same stack
  for (const variant of [1, 2, 3]) {
    for (const [kind, fail] of Object.entries(kinds)) {
      try {
        fail(variant);
      } catch (error) {
        await new Promise((done) => Raven.captureException(error, { tags: { kind, variant } }, done));
      }
    }
    const tags = { kind: 'message', variant };
    await new Promise((done) => Raven.captureMessage(`Stock of ${variant} items is negative`, { tags, level: 'warning' }, done));
  }
})();
