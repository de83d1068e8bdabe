#!/bin/sh
# The SDK for Rust, inside of sentry-cli: SENTRY_CLI DSN
export SENTRY_DSN="$2"
for variant in 1 2 3; do
  "$1" send-event --release "shop@1.0.$variant" -t "kind:refused" -t "variant:$variant" \
    -m "Connection refused: 10.0.$variant.7:500$variant" --no-environ
  "$1" send-event --release "shop@1.0.$variant" -t "kind:parameters" -t "variant:$variant" \
    -m "Invoice of %s was not sent" -a "$(echo 'ada lost 4711' | cut -d' ' -f$variant)" --no-environ
  "$1" send-event --release "shop@1.0.$variant" -t "kind:own_fingerprint" -f backup -f nightly \
    -m "Backup $(echo 'is late|has failed|was skipped' | cut -d'|' -f$variant)" --no-environ
done
