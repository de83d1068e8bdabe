package main

import ("encoding/json"; "errors"; "fmt"; "net"; "os"; "strconv")
var value string
type order struct{ lines []int; next *order }
func pay(f func() error) { if err := f(); err != nil { panic(fmt.Errorf("payment of order %s failed: %w", value, err)) } }
func (o *order) total(i int) int { return o.lines[i] }
func (o *order) after() []int { return o.next.lines }
func depth(n int) int { return depth(n+1) + 1 }
func main() {
	value = os.Args[2]
	n, _ := strconv.Atoi(value)
	switch os.Args[1] {
	case "refused": pay(func() error { _, err := net.Dial("tcp", "127.0.0.1:1"); return err })
	case "missing": pay(func() error { _, err := os.Open("/srv/none/" + value); return err })
	case "disk": pay(func() error { f, _ := os.OpenFile("/dev/full", os.O_WRONLY, 0); _, err := f.WriteString(value); return err })
	case "json": pay(func() error { var o order; return json.Unmarshal([]byte("{"+value), &o) })
	case "index": fmt.Println((&order{}).total(n))
	case "nil": fmt.Println((&order{}).after())
	case "map": var m map[string]int; m[value] = 1
	case "zero": fmt.Println(n / (n - n))
	case "closed": c := make(chan int); close(c); close(c)
	case "joined": panic(fmt.Errorf("order %s: %w", value, errors.New("lock lost")))
	case "conversion": var x any = value; fmt.Println(x.(int))
	case "goroutine": c := make(chan int); go func() { panic("worker of " + value + " stopped") }(); <-c
	}
}
