const Sentry = require('@sentry/node');

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
function pay(number, variant) {
  try {
    fetchOrders(number, variant);
  } catch (error) {
    throw new GatewayError(`payment of order ${4000 + variant} failed`, { cause: error });
  }
}
const kinds = {
  refused: (v) => fetchOrders(1, v),
  timeout: (v) => fetchOrders(2, v),
  disk_full: (v) => fetchOrders(3, v),
  bad_number: () => parse({}),
  bad_number_elsewhere: () => convert({}),
  wrapped_refused: (v) => pay(1, v),
  wrapped_timeout: (v) => pay(2, v),
};
Sentry.init({ dsn: process.argv[2], release: 'shop@1.0.1', environment: 'production', tracesSampleRate: 0 });
(async () => {
  for (const variant of [1, 2, 3]) {
    for (const [kind, fail] of Object.entries(kinds)) {
      try {
        fail(variant);
      } catch (error) {
        Sentry.captureException(error, { tags: { kind, variant } });
      }
    }
    Sentry.captureMessage(`Stock of ${variant} items is negative`, { level: 'warning', tags: { kind: 'message', variant } });
    const who = ['ada', 'lost property', '4711'][variant - 1];
    Sentry.captureMessage(Sentry.parameterize`Invoice of ${who} was not sent`, { tags: { kind: 'other_message', variant } });
  }
  await Sentry.flush(10000);
})();
