use std::{collections::HashMap, env, fs, net::TcpStream, io::Write, cell::RefCell};
fn pay<T>(r: std::io::Result<T>) -> T { r.expect("payment failed") }
fn at(v: &[u32], i: usize) -> u32 { v[i] }
fn give_up(text: String) { panic!("{text}") }
fn main() {
    let a: Vec<String> = env::args().collect();
    let value = &a[2];
    let n: usize = value.parse().unwrap();
    match a[1].as_str() {
        "refused" => { pay(TcpStream::connect("127.0.0.1:1")); }
        "missing" => { pay(fs::read(format!("/srv/none/{value}"))); }
        "disk" => { let mut f = fs::OpenOptions::new().write(true).open("/dev/full").unwrap(); pay(f.write_all(value.as_bytes())); }
        "index" => { println!("{}", at(&[1, 2], n)); }
        "none" => { let m: HashMap<u8, u8> = HashMap::new(); m.get(&1).unwrap(); }
        "parse" => { format!("x{value}").parse::<u32>().unwrap(); }
        "borrow" => { let c = RefCell::new(1); let _a = c.borrow_mut(); let _b = c.borrow_mut(); }
        "zero" => { println!("{}", n / (n - a[2].parse::<usize>().unwrap())); }
        "utf8" => { String::from_utf8(vec![255]).unwrap(); }
        "plain_quota" => give_up(format!("quota of tenant {value} is used up")),
        "plain_lock" => give_up(format!("lock {value} is lost")),
        _ => unreachable!(),
    }
}
