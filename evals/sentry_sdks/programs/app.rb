require 'sentry-ruby'

class GatewayError < StandardError; end

def fetch_orders(number, variant)
  host = "10.0.#{variant}.7"
  raise IOError, "Connection refused - connect(2) for #{host}:#{5000 + variant}" if number == 1
  raise IOError, "timed out after #{variant}000 ms: #{host}" if number == 2

  raise IOError, "No space left on device @ io_write - /data/#{variant}/orders.db"
end

def parse(text)
  Integer(text)
end

def convert(text)
  Integer(text)
end

def pay(number, variant)
  fetch_orders(number, variant)
rescue IOError
  raise GatewayError, "payment of order #{4000 + variant} failed"
end

KINDS = {
  'refused' => ->(v) { fetch_orders(1, v) },
  'timeout' => ->(v) { fetch_orders(2, v) },
  'disk_full' => ->(v) { fetch_orders(3, v) },
  'bad_number' => ->(_) { parse('x1') },
  'bad_number_elsewhere' => ->(_) { convert('x1') },
  'wrapped_refused' => ->(v) { pay(1, v) },
  'wrapped_timeout' => ->(v) { pay(2, v) }
}.freeze

Sentry.init do |config|
  config.dsn = ARGV[0]
  config.release = 'shop@1.0.1'
  config.environment = 'production'
  config.background_worker_threads = 0
end
[1, 2, 3].each do |variant|
  KINDS.each do |kind, fail|
    fail.call(variant)
  rescue StandardError => e
    Sentry.capture_exception(e, tags: { kind: kind, variant: variant })
  end
  Sentry.capture_message("Stock of #{variant} items is negative", level: :warning, tags: { kind: 'message', variant: variant })
end
