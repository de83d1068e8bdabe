require 'json'; require 'socket'; require 'timeout'
$kind, $value = ARGV
class PaymentError < StandardError; end
def pay
  yield
rescue SystemCallError, IOError
  raise PaymentError, "payment of order #{$value} failed"
end
def deep(n) = deep(n + 1)
def give_up(text) = raise(text)
case $kind
when 'refused' then pay { TCPSocket.new('127.0.0.1', 1) }
when 'missing' then pay { File.read("/srv/none/#{$value}") }
when 'disk' then pay { File.open('/dev/full', 'w') { |f| f.sync = true; f.write($value) } }
when 'nil' then nil.total
when 'zero' then $value.to_i / 0
when 'json' then JSON.parse('{' + $value)
when 'key' then { a: 1 }.fetch($value.to_sym)
when 'argument' then Integer('x' + $value)
when 'frozen' then 'a'.freeze << $value
when 'recursion' then deep(0)
when 'timeout' then Timeout.timeout(0.01) { sleep 5 }
when 'plain_quota' then give_up("quota of #{$value} is used up")
when 'plain_lock' then give_up("lock #{$value} is lost")
when 'load' then require 'shop_missing'
end
