<?php
[$_, $kind, $value] = $argv;
class PaymentException extends Exception {}
function fail(string $what) { throw new RuntimeException($what); }
function pay(callable $f) { global $value; try { $f(); } catch (Throwable $e) { throw new PaymentException("payment of order $value failed", 0, $e); } }
function total(int $x): int { return $x; }
switch ($kind) {
  case 'division': pay(fn() => intdiv((int)$value, 0)); break;
  case 'json': pay(fn() => json_decode('{' . $value, false, 512, JSON_THROW_ON_ERROR)); break;
  case 'type': pay(fn() => total("x" . $value)); break;
  case 'null_method': $x = null; $x->total(); break;
  case 'undefined_function': total_of($value); break;
  case 'class': new ShopMissing($value); break;
  case 'match': echo match($value) { 'a' => 1 }; break;
  case 'plain_refused': fail("backend 10.0.0.1:$value refused"); break;
  case 'plain_full': fail("disk of node $value full"); break;
  case 'memory': ini_set('memory_limit', '8M'); $s = str_repeat('x', 1 << 26); break;
  case 'date': new DateTime('bad' . $value); break;
  case 'arguments': total(); break;
}
