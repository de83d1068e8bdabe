import java.io.*; import java.net.*; import java.nio.file.*; import java.util.*; import java.util.concurrent.*;
public class App {
  static String value;
  static class PaymentException extends RuntimeException { PaymentException(String m, Throwable c) { super(m, c); } }
  interface Work { void run() throws Exception; }
  static void pay(Work w) { try { w.run(); } catch (Exception e) { throw new PaymentException("payment of order " + value + " failed", e); } }
  static class Resource implements AutoCloseable { String t; Resource(String t) { this.t = t; } public void close() { throw new IllegalStateException(t + " on close of " + value); } }
  static int depth(int n) { return depth(n + 1) + 1; }
  static void raise(String text) { throw new RuntimeException(text); }
  static void lambda(Work w) { Arrays.asList(1).forEach(x -> { try { w.run(); } catch (Exception e) { throw new RuntimeException(e); } }); }
  public static void main(String[] a) throws Exception {
    value = a[1];
    switch (a[0]) {
      case "refused": pay(() -> new Socket("127.0.0.1", 1)); break;
      case "missing": pay(() -> new FileReader("/srv/none/" + value)); break;
      case "disk": pay(() -> { try (OutputStream o = new FileOutputStream("/dev/full")) { o.write(new byte[99]); } }); break;
      case "number": pay(() -> Integer.parseInt("x" + value)); break;
      case "null": Object o = null; o.toString(); break;
      case "index": int[] few = new int[2]; few[Integer.parseInt(value)]++; break;
      case "cast": Object s = "x"; System.out.println((Integer) s); break;
      case "recursion": depth(0); break;
      case "suppressed": try (Resource r = new Resource("timeout")) { raise("write of " + value + " failed"); } break;
      case "suppressed2": try (Resource r = new Resource("disk full")) { raise("write of " + value + " failed"); } break;
      case "future": ExecutorService e = Executors.newFixedThreadPool(1); try { e.submit(() -> { raise("job " + value + " lost"); }).get(); } finally { e.shutdown(); } break;
      case "lambda": lambda(() -> Files.readAllLines(Path.of("/srv/none/" + value))); break;
      case "state": throw new IllegalStateException("order " + value + " is closed");
      case "state_paid": throw new IllegalStateException("order " + value + " is paid");
      case "unmodifiable": List.of(1).add(2); break;
      case "class": Class.forName("shop.Missing"); break;
      case "memory": long[][] m = new long[99999][]; for (int i = 0; i < 99999; i++) m[i] = new long[9999999]; break;
    }
  }
}
